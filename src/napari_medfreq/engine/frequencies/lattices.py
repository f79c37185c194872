"""Where in an image the coefficients of a band lie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor
from typing import TYPE_CHECKING, Any

import numpy as np
import pywt

from napari_medfreq.transforms.block_dct import BlockDCT
from napari_medfreq.transforms.contourlet import Contourlet
from napari_medfreq.transforms.directional import wedges
from napari_medfreq.transforms.nonsubsampled import NonsubsampledContourlet
from napari_medfreq.transforms.wavelet import Wavelet

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from torch import Tensor

    from napari_medfreq.transforms.bands import Band


@dataclass(frozen=True)
class Lattice:
    """The places of coefficients: index ``k`` along an axis lies at ``offset + step * k`` pixels.

    Attributes
    ----------
    step, offset : tuple of float
        One entry for each spatial axis, in the order of the data.
    periodic : bool
        Whether what lies beyond one end of the continued image lies at its other end.
    """

    step: tuple[float, ...]
    offset: tuple[float, ...]
    periodic: bool = False

    def on_image(self, part: Tensor, shape: Sequence[int]) -> tuple[Tensor, Lattice]:
        """Return the coefficients of `part` that lie on an image of `shape` (at least one along each axis), and where.

        Transforms continue an image beyond its edges; what belongs to the continuation is left out.
        """
        window: list[slice] = []
        offsets = []
        lengths = part.shape[-len(shape) :]
        first_offsets = self.offset
        if self.periodic:
            turns = [floor(offset / step) for offset, step in zip(self.offset, self.step, strict=True)]
            part = part.roll(turns, tuple(range(-len(shape), 0)))
            first_offsets = tuple(o - t * s for o, t, s in zip(self.offset, turns, self.step, strict=True))
        for step, offset, length, size in zip(self.step, first_offsets, lengths, shape, strict=True):
            first = min(max(ceil((-0.5 - offset) / step), 0), length - 1)
            last = max(min(floor((size - 0.5 - offset) / step), length - 1), first)
            window.append(slice(first, last + 1))
            offsets.append(offset + first * step)
        index: Any = (..., *window)
        return part[index], Lattice(self.step, tuple(offsets))

    def stacked(self, axis: int) -> Lattice:
        """Return the lattice of the coefficients of planes that follow each other along `axis`."""
        step, offset = list(self.step), list(self.offset)
        step.insert(axis, 1.0)
        offset.insert(axis, 0.0)
        return Lattice(tuple(step), tuple(offset))

    def affine(self, affine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the affine of the coefficients of an image with `affine`."""
        count = len(self.step)
        change = np.eye(4)
        change[range(count), range(count)] = self.step[::-1]
        change[:count, 3] = self.offset[::-1]
        result: npt.NDArray[np.float64] = affine @ change
        return result


@lru_cache(maxsize=1024)
def lattice_of(transform: Any, band: Band) -> Lattice | None:
    """Return where the coefficients of a `band` of `transform` lie; None if in the plane of frequencies."""
    if isinstance(transform, NonsubsampledContourlet):
        return Lattice((1.0, 1.0), (0.0, 0.0))
    if isinstance(transform, BlockDCT):
        centre = (transform.block - 1) / 2
        return Lattice((transform.block,) * 2, (centre, centre))
    if isinstance(transform, Contourlet):
        return _contourlet(transform, band)
    if isinstance(transform, Wavelet):
        return _wavelet(transform, band)
    return None


def _contourlet(transform: Contourlet, band: Band) -> Lattice:
    scales = len(transform.levels)
    scale, direction = band.key
    if scale == 0:
        return Lattice((2.0**scales,) * 2, (0.0, 0.0))
    grid, level = 2.0 ** (scales - scale), transform.levels[scale - 1]
    if level == 0:
        return Lattice((grid, grid), (0.0, 0.0))
    side = 2 ** max(level, 2)
    vertical, horizontal = wedges((side, side), level, transform.directional)
    # By rising angle: the wedges around the horizontal axis, then those around the vertical one from the other end.
    half = 2 ** (level - 1)
    part, number = (horizontal, direction) if direction < half else (vertical, 2 * half - 1 - direction)
    # Quincunx: every other row (column) lies half a step further.
    extra = 0.5 if level == 1 else 0.0
    places = [shift + extra * (step - 1) for shift, step in zip(part.shifts[number], part.decimation, strict=True)]
    return Lattice(_times(grid, part.decimation), _times(grid, places), periodic=True)


def _wavelet(transform: Wavelet, band: Band) -> Lattice:
    bank = pywt.Wavelet(transform.name)
    low, high = _centre(bank.dec_lo), _centre(bank.dec_hi)
    scale = band.key.scale
    halvings = transform.scales - scale + 1 if scale else transform.scales
    # Coefficient k of a filter with its centre at tap c lies at 2 k + 1 - c of what it filters.
    smooth = sum(2.0**n * (1 - low) for n in range(halvings - 1))
    last = 2.0 ** (halvings - 1)
    # Letters stand in the order x, y, z; axes the other way round.
    offsets = tuple(smooth + last * (1 - (high if letter == "H" else low)) for letter in reversed(band.name))
    return Lattice((2.0**halvings,) * transform.dims, offsets)


def _times(factor: float, values: Sequence[float]) -> tuple[float, ...]:
    return tuple(factor * value for value in values)


def _centre(taps: Sequence[float]) -> float:
    power = np.square(taps)
    return float(np.arange(len(power)) @ power / power.sum())
