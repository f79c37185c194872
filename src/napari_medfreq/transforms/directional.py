"""The directional filter bank of Bamberger and Smith (1992), as frequency masks.

A binary tree of two-channel ladder banks splits the plane into ``2**levels`` wedges. Each bank is built on a real
function ``T(w)`` that is about +1 on one side of a line and -1 on the other and changes sign under the alias of its
sampling lattice. With the ladder of Phoong et al. the four filters are

    H0 = (1 + T) / sqrt(2)            G0 = (1 + T)(2 - T) / sqrt(2)
    H1 = (1 - T)(2 + T) / sqrt(2)     G1 = (1 - T) / sqrt(2)

and ``H0 G0 + H1 G1 = 2``, whatever T is: reconstruction is exact by structure. Channel 1 lives on the odd coset of its
lattice, hence a phase factor. The masks of a wedge are the products down its branch; the lattices multiply up to a
rectangular one, so a band is a small image: wedges nearer to the vertical frequency axis are decimated by
``2**(levels-1)`` along x and by 2 along y, the others the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_medfreq.transforms.filters import angular_frequencies, ladder_response

if TYPE_CHECKING:
    from napari_medfreq.transforms.filters import DirectionalFilter

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.complex128]

_ROOT2 = float(np.sqrt(2.0))


@dataclass(frozen=True)
class Wedges:
    """Half of a directional filter bank: the wedges around one frequency axis, by rising slope.

    Attributes
    ----------
    analysis, synthesis : ndarray, shape (2**(levels-1), height, width), complex128
        Masks over the full discrete spectrum. The analysis masks are scaled so that white noise of unit variance gives
        coefficients of unit variance; the synthesis masks undo it.
    decimation : tuple of int
        Along y and x.
    angles : tuple of float
        Direction of each wedge's centre in the frequency plane, degrees from the +x frequency axis, in [-45, 135).
    """

    analysis: Mask
    synthesis: Mask
    decimation: tuple[int, int]
    angles: tuple[float, ...]


def wedges(shape: tuple[int, int], levels: int, name: DirectionalFilter) -> tuple[Wedges, Wedges]:
    """Return the wedges around the vertical and around the horizontal frequency axis.

    Parameters
    ----------
    shape : tuple of int
        Height and width, both divisible by ``2**(levels-1)``.
    levels : int
        At least 2; there are ``2**levels`` wedges.
    name : {"pkva", "haar"}
        The ladder filter.
    """
    omega_y = angular_frequencies(shape[0])[:, None]
    omega_x = angular_frequencies(shape[1])[None, :]
    fan = ladder_response(name, omega_y + omega_x + np.pi) * ladder_response(name, omega_y - omega_x + np.pi)
    quadrant = ladder_response(name, 2 * omega_y + np.pi) * ladder_response(name, 2 * omega_x + np.pi)
    odd_fan, odd_quadrant = np.exp(1j * (omega_y + 0 * omega_x)), np.exp(1j * (omega_y + omega_x))
    halves = []
    for vertical in (True, False):
        first = _channel(fan, odd_fan, upper=vertical)
        main, cross = (omega_y, omega_x) if vertical else (omega_x, omega_y)
        branches = []
        for upper in (False, True):
            second = _times(first, _channel(quadrant, odd_quadrant, upper=upper))
            low = 0.0 if upper else -1.0
            branches += _split(second, low, 3, levels, (main, cross), name)
        far = 2 ** (levels - 1)
        angles = [np.degrees(np.arctan(slope)) for _, slope in branches]
        halves.append(
            _normalised(
                [pair for pair, _ in branches],
                (2, far) if vertical else (far, 2),
                tuple(90.0 - a if vertical else a for a in angles),
            )
        )
    return halves[0], halves[1]


def _channel(split: Array, odd_phase: Mask, *, upper: bool) -> tuple[Mask, Mask]:
    """Return analysis and synthesis filters of the channel where `split` is +1 (upper) or -1."""
    if upper:
        return ((1 + split) / _ROOT2).astype(complex), ((1 + split) * (2 - split) / _ROOT2).astype(complex)
    return odd_phase * ((1 - split) * (2 + split) / _ROOT2), odd_phase.conj() * ((1 - split) / _ROOT2)


def _times(one: tuple[Mask, Mask], other: tuple[Mask, Mask]) -> tuple[Mask, Mask]:
    return one[0] * other[0], one[1] * other[1]


def _split(
    branch: tuple[Mask, Mask], low: float, level: int, levels: int, axes: tuple[Array, Array], name: DirectionalFilter
) -> list[tuple[tuple[Mask, Mask], float]]:
    """Halve the wedge of slopes [low, low + 2**(3-level)] until `levels`; return filters and central slopes, rising."""
    width = 2.0 ** (3 - level)
    middle = low + width / 2
    if level > levels:
        return [(branch, middle)]
    main, cross = axes
    stretch = 2 ** (level - 2)
    shear = round(stretch * middle)
    split = ladder_response(name, 2 * stretch * cross - shear * 2 * main + np.pi) * ladder_response(
        name, 2 * main + np.pi
    )
    odd = np.exp(1j * (stretch * cross + 0 * main))
    lower = _times(branch, _channel(split, odd, upper=False))
    upper = _times(branch, _channel(split, odd, upper=True))
    return _split(lower, low, level + 1, levels, axes, name) + _split(upper, middle, level + 1, levels, axes, name)


def _normalised(pairs: list[tuple[Mask, Mask]], decimation: tuple[int, int], angles: tuple[float, ...]) -> Wedges:
    analysis = np.stack([pair[0] for pair in pairs])
    synthesis = np.stack([pair[1] for pair in pairs])
    gain = np.sqrt(np.mean(np.abs(analysis) ** 2, axis=(1, 2), keepdims=True))
    return Wedges(analysis / gain, synthesis * gain, decimation, angles)
