"""Fourier bands and spectra of images and volumes, in cycles per millimetre.

An axis of N voxels of d mm holds the frequencies ``k / (N d)`` up to its Nyquist frequency ``1 / (2 d)``; where voxels
are anisotropic, the axes end at different ones. The radial frequency is ``f = sqrt(fz^2 + fy^2 + fx^2)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor

from napari_medfreq.transforms.bands import Band, BandKey
from napari_medfreq.transforms.images import checked_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_AT_ONCE = 1 << 18
"""Samples of a spectrum that are binned at once: bounds what a volume needs beside its spectrum."""


class RadialSpectrum(NamedTuple):
    """Power over radial frequency."""

    frequencies: Tensor
    """Centres of the bins, cycles/mm, shape (bins,); zero frequency is left out."""
    power: Tensor
    """Power spectral density, squared intensity times mm**2 (images) or mm**3 (volumes), shape (..., bins)."""


@dataclass(frozen=True)
class FourierBands:
    """Images or volumes as the sum of rings of radial frequency.

    A band is an image of the same size, ``irfftn(mask * rfftn(image))``; the masks are real, lie between 0 and 1 and
    add up to 1, so that the bands add up to the image. The redundancy is the number of bands.

    Hard edges (``transition=0``) part the frequencies: bands are orthogonal, and their energies add up to that of the
    image. But beside contours of the image they ring far. With a transition the ringing dies out sooner: each edge
    becomes a raised cosine of the logarithm of frequency, half-way at the edge, and neighbours share what lies in it.

    Parameters
    ----------
    edges : sequence of float
        The frequencies between rings, rising, cycles/mm: N edges make N + 1 bands.
    spacing : sequence of float
        Voxel size in mm, (dy, dx) for images or (dz, dy, dx) for volumes; with 1 frequencies are in cycles per voxel.
        Frequencies above the smallest Nyquist frequency exist along the finer axes only.
    transition : float
        Width of the transitions in octaves; 0 for hard edges.

    Examples
    --------
    >>> import torch
    >>> transform = FourierBands(edges=(0.05, 0.2), spacing=(0.7, 0.7))
    >>> image = torch.rand(3, 50, 70, dtype=torch.float64)
    >>> low, middle, high = transform(image)
    >>> bool((low + middle + high - image).abs().max() < 1e-12)
    True
    """

    edges: tuple[float, ...]
    spacing: tuple[float, ...] = (1.0, 1.0)
    transition: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "edges", tuple(map(float, self.edges)))
        object.__setattr__(self, "spacing", _checked_spacing(self.spacing))
        highest = math.hypot(*self.nyquist)
        rising = all(low < high for low, high in zip((0.0, *self.edges), (*self.edges, highest), strict=True))
        if not self.edges or not rising:
            raise ValueError(
                f"edges must rise between 0 and {highest:.4g} cycles/mm, the highest frequency that voxels of "
                f"{' x '.join(f'{length:g}' for length in self.spacing)} mm hold, not {self.edges}"
            )
        if not 0 <= self.transition < math.inf:
            raise ValueError(f"transition must be 0 or a number of octaves, not {self.transition}")

    @property
    def nyquist(self) -> tuple[float, ...]:
        """The Nyquist frequency of each axis, cycles/mm."""
        return tuple(1 / (2 * length) for length in self.spacing)

    def __call__(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the bands of `image`, low to high; float32 or float64, shape (..., H, W) or (..., D, H, W)."""
        return tuple(self.each(image))

    def each(self, image: Tensor) -> Iterator[Tensor]:
        """Yield one band after the other, so that never all are in memory.

        What it takes besides, spectrum, masks and Fourier transforms, is about six times the image's own memory.
        """
        size = checked_size(image, len(self.spacing))
        axes = tuple(range(-len(size), 0))
        spectrum = torch.fft.rfftn(image, dim=axes)
        radius = reduce(torch.add, _squares(size, self.spacing, image, image.dtype)).sqrt()
        below: Tensor | None = None
        for edge in (*self.edges, None):
            passed = torch.ones_like(radius) if edge is None else self._low_pass(radius, edge)
            mask = passed if below is None else passed - below
            yield torch.fft.irfftn(spectrum * mask, s=size, dim=axes)
            below = passed

    def inverse(self, bands: Sequence[Tensor]) -> Tensor:
        """Return the sum of the bands."""
        return reduce(torch.add, bands)

    def layout(self) -> tuple[Band, ...]:
        """Return all rings, low to high; unlike those of other transforms their frequencies are in cycles/mm."""
        limits = (0.0, *self.edges, math.hypot(*self.nyquist))
        return tuple(Band(BandKey(number, 0), ring) for number, ring in enumerate(pairwise(limits)))

    def split(self, bands: Sequence[Tensor]) -> dict[BandKey, Tensor]:
        """Return each band by its key."""
        return {BandKey(number, 0): band for number, band in enumerate(bands)}

    def join(self, parts: Mapping[BandKey, Tensor], like: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the bands in `parts`; those that are not among them are taken from `like`."""
        return tuple({**self.split(like), **parts}.values())

    def _low_pass(self, radius: Tensor, edge: float) -> Tensor:
        if not self.transition:
            return (radius < edge).to(radius.dtype)
        # Octaves above the edge; zero frequency is infinitely many below it.
        way = (torch.log2(radius / edge) / self.transition).clamp(-0.5, 0.5)
        return (1 - torch.sin(math.pi * way)) / 2


def radial_spectrum(image: Tensor, spacing: Sequence[float], window: Literal["hann"] | None = "hann") -> RadialSpectrum:
    """Return the power spectral density of an image or a volume over radial frequency.

    With the window ``w`` (mean square ``W``), voxels of the volume ``V`` and N of them,

        P(f) = V / (N W) |F{w (x - mean x)}(f)|^2

    averaged over all samples of the spectrum in a ring or shell. White noise of the variance s^2 has the density
    ``s^2 V``; the integral over all frequencies is the variance of the image.

    Parameters
    ----------
    image : Tensor, shape (..., H, W) or (..., D, H, W), float32 or float64
        One spectrum is returned for each entry of the leading dimensions.
    spacing : sequence of float
        Voxel size in mm, (dy, dx) for an image or (dz, dy, dx) for a volume.
    window : {"hann", None}
        What tapers the image towards its edges. Without it the jump between opposite edges leaks over the spectrum.

    Returns
    -------
    RadialSpectrum
        Bins are as wide as the coarsest step of frequency among the axes (so none is empty), from one such step up to
        the largest Nyquist frequency of any axis. Above the smallest one only the directions that are sampled finely
        enough take part in the mean. Zero frequency is left out. A volume takes about twice its own memory besides.

    Raises
    ------
    ValueError
        If the image is not floating-point, an axis has less than 2 voxels, or a spacing is not positive.
    """
    steps = _checked_spacing(spacing)
    size = checked_size(image, len(steps))
    if min(size) < 2:
        raise ValueError(f"a spectrum needs at least 2 voxels along each axis, not {' x '.join(map(str, size))}")
    axes = tuple(range(-len(size), 0))
    tapered = image - image.mean(dim=axes, keepdim=True)
    gain = math.prod(steps) / math.prod(size)
    if window == "hann":
        for axis, length in zip(axes, size, strict=True):
            # Sampled half a step off its zeros, so that no voxel is lost altogether.
            phase = (torch.arange(length, dtype=image.dtype, device=image.device) + 0.5) * (math.pi / length)
            tapered *= torch.sin(phase).square().view(-1, *(1,) * (-axis - 1))
            gain /= sum(math.sin((i + 0.5) * math.pi / length) ** 4 for i in range(length)) / length
    frequencies, power = _binned(torch.fft.rfftn(tapered, dim=axes), size, steps)
    return RadialSpectrum(frequencies.to(image.dtype), (power * gain).to(image.dtype))


def fourier_detail(image: Tensor, fraction: float = 0.25) -> Tensor:
    """Return `image` without its lowest frequencies: a centred square of the spectrum is set to zero.

    Parameters
    ----------
    image : Tensor, shape (..., H, W), real
    fraction : float
        The square's share of the spectrum's area, between 0 (nothing is removed) and 1 (only the Nyquist frequency of
        an even length is left).

    Raises
    ------
    ValueError
        If `fraction` lies outside.
    """
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"fraction must lie between 0 and 1, not {fraction}")
    height, width = image.shape[-2:]
    edge = fraction**0.5 / 2
    rows = torch.fft.fftfreq(height, device=image.device).abs() < edge
    columns = torch.fft.rfftfreq(width, device=image.device) < edge
    spectrum = torch.fft.rfft2(image).masked_fill(rows[:, None] & columns[None, :], 0)
    detail: Tensor = torch.fft.irfft2(spectrum, s=(height, width))
    return detail


def _checked_spacing(spacing: Sequence[float]) -> tuple[float, ...]:
    steps = tuple(map(float, spacing))
    if len(steps) not in (2, 3) or not all(0 < step < math.inf for step in steps):
        raise ValueError(f"spacing must be two or three voxel sizes in mm, (dy, dx) or (dz, dy, dx), not {steps}")
    return steps


def _squares(size: tuple[int, ...], steps: tuple[float, ...], like: Tensor, dtype: torch.dtype) -> list[Tensor]:
    """Return the squared frequencies of each axis of a half spectrum, (cycles/mm)**2, ready to be added up."""
    axes = [torch.fft.fftfreq(length, d=step, dtype=dtype) for length, step in zip(size[:-1], steps[:-1], strict=True)]
    axes.append(torch.fft.rfftfreq(size[-1], d=steps[-1], dtype=dtype))
    return [axis.to(like.device).square().view(-1, *(1,) * (len(size) - 1 - i)) for i, axis in enumerate(axes)]


def _binned(spectrum: Tensor, size: tuple[int, ...], steps: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Return the bins of radial frequency and the mean square of a half spectrum in each, in float64."""
    dims, leading = len(size), spectrum.shape[: -len(size)]
    width = max(1 / (length * step) for length, step in zip(size, steps, strict=True))
    bins = int(max(1 / (2 * step) for step in steps) / width * (1 + 1e-9))
    squares = _squares(size, steps, spectrum, torch.float64)
    # All columns but the first and, of an even length, the last stand for two of the full spectrum.
    weight = torch.full((spectrum.shape[-1],), 2.0, dtype=torch.float64, device=spectrum.device)
    weight[:: spectrum.shape[-1] - 1 if size[-1] % 2 == 0 else spectrum.shape[-1]] = 1.0
    sums = spectrum.real.new_zeros((*leading, bins + 1), dtype=torch.float64)
    counts = weight.new_zeros(bins + 1)
    rows = max(_AT_ONCE * size[0] // max(spectrum.numel(), 1), 1)
    for start in range(0, size[0], rows):
        slab = torch.view_as_real(spectrum.narrow(-dims, start, min(rows, size[0] - start)))
        radius = reduce(torch.add, [squares[0][start : start + rows], *squares[1:]]).sqrt()
        index = (radius / width).round().long()
        # What lies beyond the last bin goes into the first, which is left out in the end.
        index = torch.where(index > bins, 0, index).flatten()
        power = (slab.double().square().sum(-1) * weight).flatten(-dims)
        sums = sums.scatter_add(-1, index.expand_as(power), power)
        counts = counts.scatter_add(0, index, weight.expand_as(radius).flatten())
    frequencies = torch.arange(1, bins + 1, dtype=torch.float64, device=spectrum.device) * width
    return frequencies, sums[..., 1:] / counts[1:]
