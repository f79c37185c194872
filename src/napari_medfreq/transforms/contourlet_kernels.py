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

from napari_medfreq.transforms.lattice import add_unfolded, fold
from napari_medfreq.transforms.masks import pyramid_masks, wedge_masks

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
        spectrum = torch.fft.fft2(planes[chunk], norm="ortho")
        if dual:
            spectrum.conj_physical_()
        for index in reversed(range(len(levels))):
            low = _reduce(spectrum, pyramid, dual)
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
        spectrum = torch.fft.fft2(flat[0][chunk], norm="ortho")
        if dual:
            spectrum.conj_physical_()
        for index, level in enumerate(levels):
            detail = _from_wedges([part[chunk] for part in _of_scale(flat, index)], level, directional, dual)
            analysed, synthesised = _pyramid(detail, pyramid, dual)
            add_unfolded(detail, spectrum.sub_(fold(detail, analysed, (2, 2))), synthesised, (2, 2))
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
    spectrum = torch.fft.fft2(image, norm="ortho")
    if dual:
        spectrum.conj_physical_()
    masks = []
    for _ in range(scales):
        masks.append(_pyramid(spectrum, pyramid, dual))
        spectrum = fold(spectrum, masks[-1][0], (2, 2))
    for _, synthesised in reversed(masks):
        wide = spectrum.new_zeros((*spectrum.shape[:-2], 2 * spectrum.shape[-2], 2 * spectrum.shape[-1]))
        add_unfolded(wide, spectrum, synthesised, (2, 2))
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
    return (*low.shape[:-2], low.shape[-2] << scales, low.shape[-1] << scales)


def _chunks(planes: Tensor) -> list[slice]:
    count, height, width = planes.shape
    step = max(1, count if planes.is_cuda else _CHUNK // (height * width))
    return [slice(start, start + step) for start in range(0, count, step)]


def _of_scale(parts: Sequence[Tensor], index: int) -> Sequence[Tensor]:
    return parts[1 + 2 * index : 3 + 2 * index]


def _pyramid(spectrum: Tensor, name: PyramidFilter, dual: bool) -> tuple[Tensor, Tensor]:
    size = (spectrum.shape[-2], spectrum.shape[-1])
    masks = pyramid_masks(size, name, spectrum.dtype, spectrum.device)
    return masks[::-1] if dual else masks


def _reduce(spectrum: Tensor, name: PyramidFilter, dual: bool) -> Tensor:
    """Take the low-pass part out of `spectrum`, in place, and return it at half the resolution."""
    analysed, synthesised = _pyramid(spectrum, name, dual)
    low = fold(spectrum, analysed, (2, 2))
    add_unfolded(spectrum, low, synthesised, (2, 2), sign=-1.0)
    return low


def _image(spectrum: Tensor, dual: bool) -> Tensor:
    inverse = torch.fft.fft2 if dual else torch.fft.ifft2
    image: Tensor = inverse(spectrum, norm="ortho").real
    return image


def _wedges_of(spectrum: Tensor, level: int, name: DirectionalFilter, dual: bool, halves: Sequence[Tensor]) -> None:
    """Write the wedges of a detail's spectrum into `halves`."""
    if level == 0:
        halves[0].copy_(_image(spectrum, dual).unsqueeze(-3))
        return
    size = (spectrum.shape[-2], spectrum.shape[-1])
    masks = wedge_masks(size, level, name, dual, spectrum)
    for half, (mask, step), rows in zip(halves, masks, (False, True), strict=True):
        folded = fold(spectrum.unsqueeze(-3), mask, step)
        pairs = torch.fft.ifft2(folded.conj_physical_() if dual else folded, norm="ortho")
        for target, source in zip(_pair(half, level, rows), (pairs.real, pairs.imag), strict=True):
            target.copy_(source)


def _from_wedges(halves: Sequence[Tensor], level: int, name: DirectionalFilter, dual: bool) -> Tensor:
    """Return the spectrum of the detail that has these wedges; its inverse transform's real part is what counts."""
    if level == 0:
        spectrum: Tensor = torch.fft.fft2(halves[0].squeeze(-3), norm="ortho")
        return spectrum.conj_physical_() if dual else spectrum
    height, width = 2 * halves[0].shape[-2], 2 * halves[1].shape[-1]
    dtype = torch.complex128 if halves[0].dtype == torch.float64 else torch.complex64
    spectrum = torch.zeros((len(halves[0]), height, width), dtype=dtype, device=halves[0].device)
    masks = wedge_masks((height, width), level, name, not dual, spectrum)
    for half, (mask, step), rows in zip(halves, masks, (False, True), strict=True):
        pairs = torch.fft.fft2(torch.complex(*_pair(half, level, rows)), norm="ortho")
        if dual:
            pairs.conj_physical_()
        for index in range(pairs.shape[-3]):
            add_unfolded(spectrum, pairs[..., index, :, :], mask[:, index], step)
    return spectrum


def _pair(half: Tensor, level: int, rows: bool) -> tuple[Tensor, Tensor]:
    """Return views of what the real and the imaginary part of a packed transform hold (see `masks`)."""
    if level > 1:
        return half[..., 0::2, :, :], half[..., 1::2, :, :]
    return (half[..., 0::2, :], half[..., 1::2, :]) if rows else (half[..., 0::2], half[..., 1::2])


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
