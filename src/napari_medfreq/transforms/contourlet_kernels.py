"""The contourlet's three linear maps as operators of torch, each with its exact adjoint as gradient.

In the Fourier domain filtering is a product with a mask and decimation folds the spectrum. Every map exists twice: as
itself and, with ``dual``, built from the other half of each pair of filters, conjugated. The adjoint of analysis is
the dual of synthesis and the other way round, so a gradient costs what the map costs and nothing is stored for it.
They are operators of their own so that `torch.compile` calls them as they are: no graph ever holds a mask.

The parts are always ``[low, vertical 1, horizontal 1, vertical 2, ...]``, coarse to fine.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from napari_medfreq.transforms.lattice import add_unfolded, fold, real_spectrum
from napari_medfreq.transforms.masks import pyramid_masks, steps, wedge_masks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_medfreq.transforms.filters import DirectionalFilter, PyramidFilter

# So many samples at a time stay in a processor's cache; an accelerator takes all at once.
_CHUNK = 3 * 2**18


@torch.library.custom_op(
    "napari_medfreq::contourlet_analysis",
    mutates_args=(),
    schema="(Tensor image, int[] levels, str pyramid, str directional, bool dual) -> Tensor[]",
)
def analysis(
    image: Tensor, levels: Sequence[int], pyramid: PyramidFilter, directional: DirectionalFilter, dual: bool
) -> list[Tensor]:
    """Return the parts of `image`, shape (..., H, W), whose height and width all lattices divide."""
    planes = image.reshape(prod(image.shape[:-2]), *image.shape[-2:])
    parts = [planes.new_empty(shape) for shape in part_shapes(planes.shape, levels)]
    for chunk in _chunks(planes):
        spectrum = real_spectrum(planes[chunk])
        if dual:
            spectrum.conj_physical_()
        for index in reversed(range(len(levels))):
            low = _decimated(spectrum, pyramid, dual)
            _add_interpolated(spectrum, low, pyramid, dual, sign=-1.0)
            _wedges_of(spectrum, levels[index], directional, dual, [part[chunk] for part in _of_scale(parts, index)])
            spectrum = low
        parts[0][chunk] = _image(spectrum, dual)
    return [part.reshape(*image.shape[:-2], *part.shape[1:]) for part in parts]


@torch.library.custom_op(
    "napari_medfreq::contourlet_synthesis",
    mutates_args=(),
    schema="(Tensor[] parts, int[] levels, str pyramid, str directional, bool dual) -> Tensor",
)
def synthesis(
    parts: Sequence[Tensor], levels: Sequence[int], pyramid: PyramidFilter, directional: DirectionalFilter, dual: bool
) -> Tensor:
    """Return the image that has these parts."""
    shape = image_shape(parts[0], len(levels))
    planes = parts[0].new_empty((prod(shape[:-2]), *shape[-2:]))
    flat = [part.reshape(len(planes), *part.shape[len(shape) - 2 :]) for part in parts]
    for chunk in _chunks(planes):
        spectrum = real_spectrum(flat[0][chunk])
        if dual:
            spectrum.conj_physical_()
        for index, level in enumerate(levels):
            detail = _from_wedges([part[chunk] for part in _of_scale(flat, index)], level, directional, dual)
            spectrum.sub_(_decimated(detail, pyramid, dual))
            _add_interpolated(detail, spectrum, pyramid, dual)
            spectrum = detail
        planes[chunk] = _image(spectrum, dual)
    return planes.reshape(shape)


@torch.library.custom_op(
    "napari_medfreq::contourlet_smooth",
    mutates_args=(),
    schema="(Tensor image, int scales, str pyramid, bool dual) -> Tensor",
)
def smooth(image: Tensor, scales: int, pyramid: PyramidFilter, dual: bool) -> Tensor:
    """Return what the low-pass part alone gives back of `image`, shape (..., H, W)."""
    spectrum = real_spectrum(image)
    if dual:
        spectrum.conj_physical_()
    for _ in range(scales):
        spectrum = _decimated(spectrum, pyramid, dual)
    for _ in range(scales):
        wide = spectrum.new_zeros(image_shape(spectrum, 1))
        _add_interpolated(wide, spectrum, pyramid, dual)
        spectrum = wide
    low: Tensor = _image(spectrum, dual).contiguous()
    return low


def part_shapes(shape: Sequence[int], levels: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the shapes of all parts of an image of `shape`."""
    *batch, height, width = shape
    shapes: list[tuple[int, ...]] = []
    for level in reversed(levels):
        n = 2 ** (level - 1) if level else 1
        if level == 0:
            pair = [(*batch, 1, height, width), (*batch, 0, height, width)]
        else:
            pair = [(*batch, n, height // 2, width // n), (*batch, n, height // n, width // 2)]
        shapes = [*pair, *shapes]
        height, width = height // 2, width // 2
    return [(*batch, height, width), *shapes]


def image_shape(low: Tensor, scales: int) -> tuple[int, ...]:
    """Return the shape of the image that has this low-pass part."""
    return (*low.shape[:-2], low.shape[-2] * 2**scales, low.shape[-1] * 2**scales)


def _chunks(planes: Tensor) -> list[slice]:
    count, height, width = planes.shape
    step = max(1, count if planes.is_cuda else _CHUNK // (height * width))
    return [slice(start, start + step) for start in range(0, count, step)]


def _of_scale(parts: Sequence[Tensor], index: int) -> Sequence[Tensor]:
    return parts[1 + 2 * index : 3 + 2 * index]


def _decimated(spectrum: Tensor, name: PyramidFilter, dual: bool) -> Tensor:
    height, width = spectrum.shape[-2:]
    masks = pyramid_masks((height, width), name, dual, spectrum)
    return fold(spectrum, masks, (1, height // 2, width // 2)).squeeze(-3)


def _add_interpolated(spectrum: Tensor, low: Tensor, name: PyramidFilter, dual: bool, sign: float = 1.0) -> None:
    height, width = spectrum.shape[-2:]
    add_unfolded(spectrum, low.unsqueeze(-3), pyramid_masks((height, width), name, not dual, spectrum), sign)


def _image(spectrum: Tensor, dual: bool) -> Tensor:
    inverse = torch.fft.fft2 if dual else torch.fft.ifft2
    image: Tensor = inverse(spectrum, norm="ortho").real
    return image


def _wedges_of(spectrum: Tensor, level: int, name: DirectionalFilter, dual: bool, halves: Sequence[Tensor]) -> None:
    """Write the wedges of a detail's spectrum into `halves`."""
    if level == 0:
        halves[0].copy_(_image(spectrum, dual).unsqueeze(-3))
        return
    height, width = spectrum.shape[-2:]
    masks = wedge_masks((height, width), level, name, dual, spectrum)
    for half, parts, vertical in zip(halves, masks, (True, False), strict=True):
        step = steps(level, vertical=vertical)
        folded = fold(spectrum, parts, (max(2 ** (level - 2), 1), height // step[0], width // step[1]))
        pairs = torch.fft.ifft2(folded.conj_physical_() if dual else folded, norm="ortho")
        for target, source in zip(_pair(half, level, vertical), (pairs.real, pairs.imag), strict=True):
            target.copy_(source)


def _from_wedges(halves: Sequence[Tensor], level: int, name: DirectionalFilter, dual: bool) -> Tensor:
    """Return the spectrum of the detail that has these wedges; its inverse transform's real part is what counts."""
    if level == 0:
        spectrum: Tensor = real_spectrum(halves[0].squeeze(-3))
        return spectrum.conj_physical_() if dual else spectrum
    height, width = 2 * halves[0].shape[-2], 2 * halves[1].shape[-1]
    dtype = torch.complex128 if halves[0].dtype == torch.float64 else torch.complex64
    spectrum = torch.zeros((len(halves[0]), height, width), dtype=dtype, device=halves[0].device)
    masks = wedge_masks((height, width), level, name, not dual, spectrum)
    for half, parts, vertical in zip(halves, masks, (True, False), strict=True):
        pairs = torch.fft.fft2(torch.complex(*_pair(half, level, vertical)), norm="ortho")
        add_unfolded(spectrum, pairs.conj_physical_() if dual else pairs, parts)
    return spectrum


def _pair(half: Tensor, level: int, vertical: bool) -> tuple[Tensor, Tensor]:
    """Return views of what the real and the imaginary part of a packed transform hold (see `masks`)."""
    if level > 1:
        return half[..., 0::2, :, :], half[..., 1::2, :, :]
    return (half[..., 0::2], half[..., 1::2]) if vertical else (half[..., 0::2, :], half[..., 1::2, :])


@analysis.register_fake
def _(image: Tensor, levels: Sequence[int], pyramid: str, directional: str, dual: bool) -> list[Tensor]:
    return [image.new_empty(shape) for shape in part_shapes(image.shape, levels)]


@synthesis.register_fake
def _(parts: Sequence[Tensor], levels: Sequence[int], pyramid: str, directional: str, dual: bool) -> Tensor:
    return parts[0].new_empty(image_shape(parts[0], len(levels)))


@smooth.register_fake
def _(image: Tensor, scales: int, pyramid: str, dual: bool) -> Tensor:
    return torch.empty_like(image, memory_format=torch.contiguous_format)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.options = inputs[1:]


def _remember_shapes(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    ctx.options = inputs[1:]
    ctx.like = [(part.shape, part.dtype, part.device) for part in output]


def _analysis_backward(ctx: Any, gradients: list[Tensor | None]) -> tuple[Tensor | None, ...]:
    *options, dual = ctx.options
    parts = [
        torch.zeros(shape, dtype=dtype, device=device) if gradient is None else gradient
        for gradient, (shape, dtype, device) in zip(gradients, ctx.like, strict=True)
    ]
    return cast("Tensor", synthesis(parts, *options, not dual)), None, None, None, None


def _synthesis_backward(ctx: Any, gradient: Tensor) -> tuple[list[Tensor] | None, ...]:
    *options, dual = ctx.options
    return cast("list[Tensor]", analysis(gradient, *options, not dual)), None, None, None, None


def _smooth_backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    *options, dual = ctx.options
    return cast("Tensor", smooth(gradient, *options, not dual)), None, None, None


analysis.register_autograd(_analysis_backward, setup_context=_remember_shapes)
synthesis.register_autograd(_synthesis_backward, setup_context=_remember)
smooth.register_autograd(_smooth_backward, setup_context=_remember)
