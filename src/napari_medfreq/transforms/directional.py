"""The directional filter bank of Bamberger and Smith (1992), as frequency masks.

A binary tree of two-channel ladder banks splits the plane into ``2**levels`` wedges. Each bank is built on a real
function ``T(w)`` that is about +1 on one side of a line and -1 on the other and changes sign under the alias of its
sampling lattice. With the ladder of Phoong et al. the four filters are

    H0 = (1 + T) / sqrt(2)            G0 = (1 + T)(2 - T) / sqrt(2)
    H1 = (1 - T)(2 + T) / sqrt(2)     G1 = (1 - T) / sqrt(2)

and ``H0 G0 + H1 G1 = 2``, whatever T is: reconstruction is exact by structure. Where T never leaves [-1, 1], as with
``meyer``, the square roots ``H0 = G0 = sqrt(1 + T)`` and ``H1 = G1 = sqrt(1 - T)`` do the same and make the bank
orthonormal: no ladder has such responses, but masks may. Channel 1 lives on the odd coset of its lattice, hence a
shift. The masks of a wedge are the products down its branch; the lattices multiply up to a rectangular one, so a band
is a small image: wedges nearer to the vertical frequency axis are decimated by ``2**(levels-1)`` along x and by 2 along
y, the others the other way round. With one level the lattice is the quincunx.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_medfreq.transforms.filters import angular_frequencies, ladder_response, meyer_phase

if TYPE_CHECKING:
    from napari_medfreq.transforms.filters import DirectionalFilter

Array = npt.NDArray[np.float64]

_ROOT2 = float(np.sqrt(2.0))


@dataclass(frozen=True)
class Wedges:
    """Half of a directional filter bank: the wedges around one frequency axis, by rising slope.

    Attributes
    ----------
    analysis, synthesis : ndarray, shape (2**(levels-1), height, width), float64
        Masks over the full discrete spectrum, without their shifts. The analysis masks are scaled so that white noise
        of unit variance gives coefficients of unit variance; the synthesis masks undo it.
    shifts : tuple of (int, int)
        By how many samples along y and x the lattice of each wedge is shifted: the whole analysis mask is
        ``analysis * exp(1j * (y * omega_y + x * omega_x))``, the whole synthesis mask has the conjugate factor.
    decimation : tuple of int
        Along y and x; ``(1, 2)`` and ``(2, 1)`` stand for the quincunx lattice of a single level.
    """

    analysis: Array
    synthesis: Array
    shifts: tuple[tuple[int, int], ...]
    decimation: tuple[int, int]


@dataclass(frozen=True)
class _Branch:
    """The filters down one branch of the tree."""

    analysis: Array
    synthesis: Array
    shift: tuple[int, int] = (0, 0)

    def times(self, analysis: Array, synthesis: Array, shift: tuple[int, int] = (0, 0)) -> _Branch:
        moved = (self.shift[0] + shift[0], self.shift[1] + shift[1])
        return _Branch(self.analysis * analysis, self.synthesis * synthesis, moved)


@dataclass(frozen=True)
class _Tree:
    """The frequency plane seen from one of its axes (`main`; `cross` is the other one), and how to split it."""

    main: Array
    cross: Array
    vertical: bool
    levels: int
    name: DirectionalFilter

    def split(self, branch: _Branch, omegas: tuple[Array, Array], odd: tuple[int, int], stage: int) -> list[_Branch]:
        """Return the branches where ``T = F(omegas[0]) F(omegas[1])`` is -1 (on the coset `odd`) and where it is +1.

        The earlier the branching, the sharper it must be for the wedges at the end: at the distance of a final wedge's
        centre from the line of `stage` the frequency is ``2**(stage-levels)`` of what it is at the last stage, and the
        transition narrows alike.
        """
        transition = np.pi / 3 * 2.0 ** (stage - self.levels)
        if self.name == "meyer":
            # With F = cos(p), 1 - T = sin((p + q) / 2)^2 + sin((p - q) / 2)^2: exact to the last digit near 0.
            one, other = (meyer_phase(omega, transition) for omega in omegas)
            lower = np.hypot(np.sin((one + other) / 2), np.sin((one - other) / 2))
            upper = np.hypot(np.cos((one + other) / 2), np.cos((one - other) / 2))
            return [branch.times(lower, lower, odd), branch.times(upper, upper)]
        split = ladder_response(self.name, omegas[0]) * ladder_response(self.name, omegas[1])
        lower, upper = (1 - split) / _ROOT2, (1 + split) / _ROOT2
        return [branch.times(lower * (2 + split), lower, odd), branch.times(upper, upper * (2 - split))]


def wedges(shape: tuple[int, int], levels: int, name: DirectionalFilter) -> tuple[Wedges, Wedges]:
    """Return the wedges around the vertical and around the horizontal frequency axis.

    Parameters
    ----------
    shape : tuple of int
        Height and width, both divisible by 2 and by ``2**(levels-1)``.
    levels : int
        At least 1; there are ``2**levels`` wedges.
    name : {"pkva", "haar", "meyer"}
        The ladder filter. ``meyer`` narrows its transition with each further level, so that all edges of the final
        wedges are alike.
    """
    omega_y, omega_x = angular_frequencies(shape[0])[:, None], angular_frequencies(shape[1])[None, :]
    far = 2 ** (levels - 1)
    vertical = _half(_Tree(omega_y, omega_x, True, levels, name))
    horizontal = _half(_Tree(omega_x, omega_y, False, levels, name))
    return _normalised(vertical, (2, far)), _normalised(horizontal, (far, 2))


def slopes(levels: int) -> tuple[tuple[float, float], ...]:
    """Return the limits of the wedges of each half, by rising slope: the cross frequency over the main one."""
    edges = np.linspace(-1.0, 1.0, 2 ** (levels - 1) + 1).tolist()
    return tuple(pairwise(edges))


def _half(tree: _Tree) -> list[_Branch]:
    main, cross = tree.main, tree.cross
    y, x = (main, cross) if tree.vertical else (cross, main)
    whole = np.ones_like(y + x)
    # About +1 around the vertical axis and -1 around the horizontal one.
    fans = tree.split(_Branch(whole, whole), (y + x + np.pi, y - x + np.pi), (1, 0), 1)
    first = fans[1] if tree.vertical else fans[0]
    if tree.levels == 1:
        return [first]
    second = tree.split(first, (2 * main + np.pi, 2 * cross + np.pi), (1, 1), 2)
    return [leaf for branch, low in zip(second, (-1.0, 0.0), strict=True) for leaf in _leaves(branch, low, 3, tree)]


def _leaves(branch: _Branch, low: float, stage: int, tree: _Tree) -> list[_Branch]:
    """Halve the wedge of slopes [low, low + 2**(3-stage)] until the last level; return the leaves by rising slope."""
    if stage > tree.levels:
        return [branch]
    middle = low + 2.0 ** (2 - stage)
    stretch = 2 ** (stage - 2)
    shear = round(stretch * middle)
    line = 2 * stretch * tree.cross - 2 * shear * tree.main + np.pi
    odd = (0, stretch) if tree.vertical else (stretch, 0)
    lower, upper = tree.split(branch, (line, 2 * tree.main + np.pi), odd, stage)
    return _leaves(lower, low, stage + 1, tree) + _leaves(upper, middle, stage + 1, tree)


def _normalised(branches: list[_Branch], decimation: tuple[int, int]) -> Wedges:
    analysis = np.stack([branch.analysis for branch in branches])
    synthesis = np.stack([branch.synthesis for branch in branches])
    gain = np.sqrt(np.mean(np.square(analysis), axis=(1, 2), keepdims=True))
    return Wedges(analysis / gain, synthesis * gain, tuple(branch.shift for branch in branches), decimation)
