"""The non-subsampled contourlet's two linear maps as operators of torch, each with its exact adjoint as gradient.

Two bands are computed by one complex FFT: with real, even masks ``a`` and ``b``, ``IDFT((a + i b) DFT(image))`` has one
band as its real and the other as its imaginary part. The other way round, the imaginary part of
``IDFT((a + i b) DFT(second + i first))`` is ``a`` applied to `first` plus ``b`` applied to `second`.

They are operators of their own so that `torch.compile` calls them as they are: no graph ever holds a mask. The groups
are always ``[low, scale 1, scale 2, ...]``, coarse to fine, each of shape (..., n, H, W). With `weighted` the bands are
also multiplied by their weights, which makes synthesis the inverse of analysis without them.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from napari_medfreq.transforms.nonsubsampled_masks import Bank, masks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_medfreq.transforms.filters import DirectionalFilter, PyramidFilter

# Complex numbers in work at a time: on a processor they should stay in its cache, an accelerator wants to be kept busy.
_CHUNK = 2**19
_CHUNK_ACCELERATOR = 2**25


@torch.library.custom_op(
    "napari_medfreq::nonsubsampled_analysis",
    mutates_args=(),
    schema="(Tensor image, int[] levels, str pyramid, str directional, bool weighted) -> Tensor[]",
)
def analysis(
    image: Tensor, levels: Sequence[int], pyramid: PyramidFilter, directional: DirectionalFilter, weighted: bool
) -> list[Tensor]:
    """Return the groups of `image`, shape (..., H, W)."""
    bank = Bank(tuple(levels), pyramid, directional)
    lead, (height, width) = image.shape[:-2], image.shape[-2:]
    if not image.numel():  # oneMKL refuses to transform nothing
        return [image.new_empty(*lead, count, height, width) for count in bank.counts]
    pairs, weights = masks(bank, (height, width), image)
    spectrum = torch.fft.fft2(image.reshape(prod(lead), 1, height, width))
    groups = []
    for count, scale, factors in _scales(bank, pairs, weights):
        bands = image.new_empty(len(spectrum), len(scale), min(count, 2), height, width)
        for planes, some in _chunks(bands):
            both = torch.view_as_real(torch.fft.ifft2(spectrum[planes] * scale[some]))
            part = both[..., : bands.shape[2]].movedim(-1, 2)
            bands[planes, some] = part * factors[some] if weighted else part
        groups.append(bands.reshape(*lead, count, height, width))
    return groups


@torch.library.custom_op(
    "napari_medfreq::nonsubsampled_synthesis",
    mutates_args=(),
    schema="(Tensor[] groups, int[] levels, str pyramid, str directional, bool weighted) -> Tensor",
)
def synthesis(
    groups: Sequence[Tensor],
    levels: Sequence[int],
    pyramid: PyramidFilter,
    directional: DirectionalFilter,
    weighted: bool,
) -> Tensor:
    """Return the image that has these bands: the adjoint of `analysis`."""
    bank = Bank(tuple(levels), pyramid, directional)
    lead, (height, width) = groups[0].shape[:-3], groups[0].shape[-2:]
    if not groups[0].numel():
        return groups[0].new_empty(*lead, height, width)
    pairs, weights = masks(bank, (height, width), groups[0])
    total = torch.zeros(prod(lead), height, width, dtype=pairs.dtype, device=pairs.device)
    for group, (count, scale, factors) in zip(groups, _scales(bank, pairs, weights), strict=True):
        bands = group.reshape(len(total), len(scale), min(count, 2), height, width)
        for planes, some in _chunks(bands):
            part = bands[planes, some] * factors[some] if weighted else bands[planes, some]
            both = packed(part[:, :, 0], part[:, :, 1] if part.shape[2] == 2 else None)
            total[planes] += torch.fft.fft2(both).mul_(scale[some]).sum(dim=1)
    image: Tensor = torch.fft.ifft2(total).imag.reshape(*lead, height, width).contiguous()
    return image


def packed(first: Tensor | None, second: Tensor | None) -> Tensor:
    """Return ``second + i first``, one of which may be missing."""
    if first is not None:
        return torch.complex(torch.zeros_like(first) if second is None else second, first)
    if second is None:
        raise ValueError("there is nothing to pack")
    return torch.complex(second, torch.zeros_like(second))


def _scales(bank: Bank, pairs: Tensor, weights: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield of each scale the number of bands, the masks and the weights, shape (number of masks, 1 or 2, 1, 1)."""
    mask, band = 0, 0
    for count, some in zip(bank.counts, bank.pairs, strict=True):
        yield count, pairs[mask : mask + some], weights[band : band + count].view(some, -1, 1, 1)
        mask, band = mask + some, band + count


def _chunks(bands: Tensor) -> Iterator[tuple[slice, slice]]:
    """Yield slices of the planes and pairs of `bands` (planes, pairs, 1 or 2, H, W) to be worked on together."""
    planes, pairs, _, height, width = bands.shape
    at_once = (_CHUNK if bands.device.type == "cpu" else _CHUNK_ACCELERATOR) // (height * width)
    many = max(at_once // pairs, 1)
    some = min(max(at_once, 1), pairs)
    for plane in range(0, planes, many):
        for pair in range(0, pairs, some):
            yield slice(plane, plane + many), slice(pair, pair + some)


@analysis.register_fake
def _(image: Tensor, levels: Sequence[int], pyramid: str, directional: str, weighted: bool) -> list[Tensor]:
    height, width = image.shape[-2:]
    return [image.new_empty((*image.shape[:-2], n, height, width)) for n in (1, *(2**level for level in levels))]


@synthesis.register_fake
def _(groups: Sequence[Tensor], levels: Sequence[int], pyramid: str, directional: str, weighted: bool) -> Tensor:
    return groups[0].new_empty((*groups[0].shape[:-3], *groups[0].shape[-2:]))


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.options = inputs[1:]


def _remember_shapes(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    ctx.options = inputs[1:]
    ctx.like = [(group.shape, group.dtype, group.device) for group in output]


def _analysis_backward(ctx: Any, gradients: list[Tensor | None]) -> tuple[Tensor | None, ...]:
    groups = [
        torch.zeros(shape, dtype=dtype, device=device) if gradient is None else gradient
        for gradient, (shape, dtype, device) in zip(gradients, ctx.like, strict=True)
    ]
    return cast("Tensor", synthesis(groups, *ctx.options)), None, None, None, None


def _synthesis_backward(ctx: Any, gradient: Tensor) -> tuple[list[Tensor] | None, ...]:
    return cast("list[Tensor]", analysis(gradient, *ctx.options)), None, None, None, None


analysis.register_autograd(_analysis_backward, setup_context=_remember_shapes)
synthesis.register_autograd(_synthesis_backward, setup_context=_remember)
