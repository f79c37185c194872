"""The contourlet transform of Do and Vetterli (2005): a Laplacian pyramid and, on its details, directional filters.

Computed in the Fourier domain: filtering is a product with a mask, decimation folds the spectrum. The image is
continued periodically after a mirrored extension to the next size that the lattices divide, so any size works and
reconstruction is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from napari_medfreq.transforms.directional import wedges
from napari_medfreq.transforms.filters import (
    DirectionalFilter,
    PyramidFilter,
    angular_frequencies,
    pyramid_responses,
)


class DirectionalBands(NamedTuple):
    """The directional subbands of one scale; ``n = 2**(level-1)`` in each half (see `directional.Wedges`).

    A scale without directions (level 0) holds its detail image as the only band of `vertical`, and `horizontal` is
    empty.
    """

    vertical: Tensor
    """Wedges around the vertical frequency axis, shape (..., n, h/2, w/n)."""
    horizontal: Tensor
    """Wedges around the horizontal frequency axis, shape (..., n, h/n, w/2)."""


class ContourletBands(NamedTuple):
    """Contourlet coefficients."""

    low: Tensor
    """Low-pass image, shape (..., H / 2**scales, W / 2**scales)."""
    scales: tuple[DirectionalBands, ...]
    """One entry a scale, coarse to fine."""
    size: tuple[int, int]
    """Height and width of the image before its extension."""


@dataclass(frozen=True)
class Contourlet:
    """The contourlet transform and its exact inverse.

    Parameters
    ----------
    levels : tuple of int
        Directional levels of each scale, coarse to fine: 0 (no directions) or at least 2 (``2**level`` directions).
    pyramid : {"9-7", "5-3", "haar"}
        Filters of the Laplacian pyramid.
    directional : {"pkva", "haar"}
        Ladder filter of the directional filter bank.

    Notes
    -----
    Redundancy is below 4/3 (plus the extension where the size does not fit). Coefficients are scaled so that the
    directional part keeps the variance of white noise.

    Examples
    --------
    >>> import torch
    >>> transform = Contourlet(levels=(2, 3))
    >>> image = torch.rand(3, 50, 70, dtype=torch.float64)
    >>> bands = transform(image)
    >>> bool((transform.inverse(bands) - image).abs().max() < 1e-12)
    True
    """

    levels: tuple[int, ...] = (3, 3)
    pyramid: PyramidFilter = "9-7"
    directional: DirectionalFilter = "pkva"

    def __post_init__(self) -> None:
        if not self.levels or any(level < 0 or level == 1 or level > 6 for level in self.levels):
            raise ValueError(f"levels must be 0 or 2 to 6 for each scale, not {self.levels}")

    @property
    def multiple(self) -> int:
        """Images are extended to a multiple of this height and width."""
        scales = len(self.levels)
        needs = [(1 << (scales - 1 - i)) * (1 << max(level - 1, 1)) for i, level in enumerate(self.levels)]
        return max(*needs, 1 << scales)

    def __call__(self, image: Tensor) -> ContourletBands:
        """Analyse `image`, a real tensor of shape (..., H, W), float32 or float64."""
        size = _checked(image)
        spectrum = torch.fft.fft2(_extended(image, self.multiple))
        scales: list[DirectionalBands] = []
        for level in reversed(self.levels):
            pyramid = _pyramid_masks(_last2(spectrum), self.pyramid, spectrum.dtype, spectrum.device)
            low = _fold(spectrum * pyramid[0], (2, 2))
            detail = spectrum - _unfold(low, (2, 2)) * pyramid[1]
            scales.append(self._directions(detail, level))
            spectrum = low
        return ContourletBands(_real(spectrum), tuple(reversed(scales)), size)

    def inverse(self, bands: ContourletBands) -> Tensor:
        """Return the image that has these coefficients; the dual frame of Do and Vetterli where they were changed."""
        spectrum = torch.fft.fft2(bands.low)
        for level, scale in zip(self.levels, bands.scales, strict=True):
            detail = self._detail(scale, level)
            pyramid = _pyramid_masks(_last2(detail), self.pyramid, detail.dtype, detail.device)
            low = spectrum - _fold(detail * pyramid[0], (2, 2))
            spectrum = detail + _unfold(low, (2, 2)) * pyramid[1]
        return _real(spectrum)[..., : bands.size[0], : bands.size[1]]

    def detail(self, image: Tensor) -> Tensor:
        """Return the frequency image: `image` less its low-pass part, shape (..., H, W).

        It equals ``inverse`` of the bands with ``low`` set to zero, but is cheaper, since the directional filter bank
        cancels out.
        """
        size = _checked(image)
        spectrum = torch.fft.fft2(_extended(image, self.multiple))
        details = []
        for _ in self.levels:
            pyramid = _pyramid_masks(_last2(spectrum), self.pyramid, spectrum.dtype, spectrum.device)
            low = _fold(spectrum * pyramid[0], (2, 2))
            details.append((spectrum - _unfold(low, (2, 2)) * pyramid[1], pyramid))
            spectrum = low
        spectrum = torch.zeros_like(spectrum)
        for detail, pyramid in reversed(details):
            spectrum = detail + _unfold(spectrum - _fold(detail * pyramid[0], (2, 2)), (2, 2)) * pyramid[1]
        return _real(spectrum)[..., : size[0], : size[1]]

    def angles(self, level: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return the directions of the vertical and of the horizontal bands of a scale of `level`.

        Degrees from the +x axis of the frequency plane to its +y axis (down the rows), in [-45, 135): of a pattern of
        stripes the direction across them.
        """
        side = 2**level
        vertical, horizontal = wedges((side, side), level, self.directional)
        return vertical.angles, horizontal.angles

    def _directions(self, detail: Tensor, level: int) -> DirectionalBands:
        if level == 0:
            image = _real(detail).unsqueeze(-3)
            return DirectionalBands(image, image[..., :0, :, :])
        halves = _wedge_masks(_last2(detail), level, self.directional, detail.dtype, detail.device)
        return DirectionalBands(*(_real(_fold(detail.unsqueeze(-3) * a, step)) for a, _, step in halves))

    def _detail(self, bands: DirectionalBands, level: int) -> Tensor:
        if level == 0:
            spectrum: Tensor = torch.fft.fft2(bands.vertical.squeeze(-3))
            return spectrum
        step = 2 ** (level - 1)
        size = (bands.vertical.shape[-2] * 2, bands.vertical.shape[-1] * step)
        dtype = torch.complex128 if bands.vertical.dtype == torch.float64 else torch.complex64
        halves = _wedge_masks(size, level, self.directional, dtype, bands.vertical.device)
        first, second = (
            (_unfold(torch.fft.fft2(band), decimation) * synthesis).sum(dim=-3)
            for band, (_, synthesis, decimation) in zip(bands, halves, strict=True)
        )
        return first + second


def _checked(image: Tensor) -> tuple[int, int]:
    if image.ndim < 2 or image.dtype not in (torch.float32, torch.float64) or 0 in image.shape[-2:]:
        raise ValueError(f"expected float32 or float64 of shape (..., H, W), not {image.dtype} {tuple(image.shape)}")
    return _last2(image)


def _last2(tensor: Tensor) -> tuple[int, int]:
    height: int = tensor.shape[-2]
    width: int = tensor.shape[-1]
    return height, width


def _extended(image: Tensor, multiple: int) -> Tensor:
    """Mirror the image at its lower and right edge (half-sample symmetry) up to multiples of `multiple`."""
    for dim in (-2, -1):
        length = image.shape[dim]
        target = -(-length // multiple) * multiple
        if target > length:
            index = torch.arange(target, device=image.device) % (2 * length)
            image = image.index_select(dim, torch.where(index < length, index, 2 * length - 1 - index))
    return image


def _real(spectrum: Tensor) -> Tensor:
    image: Tensor = torch.fft.ifft2(spectrum).real
    return image


def _fold(spectrum: Tensor, step: tuple[int, int]) -> Tensor:
    """Decimate: the mean over the aliases of a spectrum of shape (..., H, W)."""
    height, width = _last2(spectrum)
    # Sums of slices are eight times as fast here as a mean over two strided axes.
    rows = torch.split(spectrum, height // step[0], dim=-2)
    columns = torch.split(sum(rows[1:], rows[0]), width // step[1], dim=-1)
    return sum(columns[1:], columns[0]) / (step[0] * step[1])


def _unfold(spectrum: Tensor, step: tuple[int, int]) -> Tensor:
    """Insert zeros: the spectrum repeats itself."""
    return spectrum.repeat(*(1,) * (spectrum.ndim - 2), *step)


@lru_cache(maxsize=64)
def _pyramid_masks(
    size: tuple[int, int], name: PyramidFilter, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    rows = pyramid_responses(name, angular_frequencies(size[0]))
    columns = pyramid_responses(name, angular_frequencies(size[1]))
    analysis, synthesis = (torch.from_numpy(np.multiply.outer(r, c)) for r, c in zip(rows, columns, strict=True))
    return analysis.to(device, dtype), synthesis.to(device, dtype)


@lru_cache(maxsize=16)
def _wedge_masks(
    size: tuple[int, int], level: int, name: DirectionalFilter, dtype: torch.dtype, device: torch.device
) -> tuple[tuple[Tensor, Tensor, tuple[int, int]], ...]:
    return tuple(
        (
            torch.from_numpy(half.analysis).to(device, dtype),
            torch.from_numpy(half.synthesis).to(device, dtype),
            half.decimation,
        )
        for half in wedges(size, level, name)
    )
