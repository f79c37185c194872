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
from math import lcm
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_medfreq.transforms.filters import ladder_response, meyer_phase

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


def wedges(shape: tuple[int, int], levels: int, name: DirectionalFilter) -> tuple[Wedges, Wedges]:
    """Return the wedges around the vertical and around the horizontal frequency axis; parameters as `half`."""
    return half(shape, levels, name, vertical=True), half(shape, levels, name, vertical=False)


def half(shape: tuple[int, int], levels: int, name: DirectionalFilter, *, vertical: bool) -> Wedges:
    """Return the wedges around one frequency axis.

    Parameters
    ----------
    shape : tuple of int
        Height and width, both divisible by 2 and by ``2**(levels-1)``.
    levels : int
        At least 1; there are ``2**levels`` wedges, half of them here.
    name : {"pkva", "haar", "meyer"}
        The ladder filter. ``meyer`` narrows its transition with each further level, so that all edges of the final
        wedges are alike.
    vertical : bool
        Around which axis.
    """
    tree = _Tree(shape, vertical, levels, name)
    branches = tree.leaves()
    analysis = np.stack([branch.analysis for branch in branches])
    synthesis = analysis
    gain = np.sqrt(np.mean(np.square(analysis), axis=(1, 2), keepdims=True))
    if branches[0].synthesis is not branches[0].analysis:
        synthesis = np.stack([branch.synthesis for branch in branches])
    far = 2 ** (levels - 1)
    shifts = tuple(branch.shift for branch in branches)
    return Wedges(analysis / gain, synthesis * gain, shifts, (2, far) if vertical else (far, 2))


def slopes(levels: int) -> tuple[tuple[float, float], ...]:
    """Return the limits of the wedges of each half, by rising slope: the cross frequency over the main one."""
    edges = np.linspace(-1.0, 1.0, 2 ** (levels - 1) + 1).tolist()
    return tuple(pairwise(edges))


@dataclass(frozen=True)
class _Branch:
    """The filters down one branch of the tree; one array stands for both where they are the same."""

    analysis: Array
    synthesis: Array
    shift: tuple[int, int] = (0, 0)

    def times(self, analysis: Array, synthesis: Array, shift: tuple[int, int] = (0, 0)) -> _Branch:
        moved = (self.shift[0] + shift[0], self.shift[1] + shift[1])
        product = self.analysis * analysis
        same = self.analysis is self.synthesis and analysis is synthesis
        return _Branch(product, product if same else self.synthesis * synthesis, moved)


@dataclass(frozen=True)
class _Tree:
    """The branchings around one axis of the plane, `main`; `cross` is the other one.

    All frequencies that occur are multiples of ``2 pi / n``, with n the least common multiple of height and width, so
    responses are looked up in a table.
    """

    shape: tuple[int, int]
    vertical: bool
    levels: int
    name: DirectionalFilter

    def leaves(self) -> list[_Branch]:
        """Return the final branches by rising slope."""
        whole = np.ones(self.shape)
        sign = 1 if self.vertical else -1
        # About +1 around the vertical axis and -1 around the horizontal one.
        fans = self._split(_Branch(whole, whole), ((1, 1), (sign, -sign)), (1, 0), 1)
        first = fans[1] if self.vertical else fans[0]
        if self.levels == 1:
            return [first]
        second = self._split(first, ((2, 0), (0, 2)), (1, 1), 2)
        return [leaf for branch, low in zip(second, (-1.0, 0.0), strict=True) for leaf in self._below(branch, low, 3)]

    def _below(self, branch: _Branch, low: float, stage: int) -> list[_Branch]:
        """Halve the wedge of slopes [low, low + 2**(3-stage)] until the last level."""
        if stage > self.levels:
            return [branch]
        middle = low + 2.0 ** (2 - stage)
        stretch = 2 ** (stage - 2)
        shear = round(stretch * middle)
        odd = (0, stretch) if self.vertical else (stretch, 0)
        lower, upper = self._split(branch, ((-2 * shear, 2 * stretch), (2, 0)), odd, stage)
        return self._below(lower, low, stage + 1) + self._below(upper, middle, stage + 1)

    def _split(
        self, branch: _Branch, lines: tuple[tuple[int, int], tuple[int, int]], odd: tuple[int, int], stage: int
    ) -> list[_Branch]:
        """Return the branches where T is -1 (on the coset `odd`) and where it is +1.

        ``T = F(u + pi) F(v + pi)``, each of u and v given by its factors of the main and the cross frequency. The
        earlier the branching, the sharper it must be for the wedges at the end: at the distance of a final wedge's
        centre from the line of `stage` the frequency is ``2**(stage-levels)`` of what it is at the last stage, and the
        transition narrows alike.
        """
        n = lcm(*self.shape)
        # Half a turn more, and as long as the sum of two indices within the period.
        omega = np.asarray(2 * np.pi * np.arange(4 * n) / n + np.pi, np.float64)
        first, second = (self._index(line, n) for line in lines)
        if self.name == "meyer":
            # With F = cos(2 p): 1 - T = 2 (sin p cos q)^2 + 2 (cos p sin q)^2, exact to the last digit near 0.
            phase = meyer_phase(omega, np.pi / 3 * 2.0 ** (stage - self.levels)) / 2
            sine, cosine = np.sin(phase), np.sin(np.pi / 2 - phase)  # zero where it should be: np.cos(np.pi / 2) is not
            cosines, sines = (cosine[first], cosine[second]), (sine[first], sine[second])
            lower = _ROOT2 * np.sqrt(np.square(sines[0] * cosines[1]) + np.square(cosines[0] * sines[1]))
            upper = _ROOT2 * np.sqrt(np.square(cosines[0] * cosines[1]) + np.square(sines[0] * sines[1]))
            return [branch.times(lower, lower, odd), branch.times(upper, upper)]
        response = ladder_response(self.name, omega)
        split = response[first] * response[second]
        lower, upper = (1 - split) / _ROOT2, (1 + split) / _ROOT2
        return [branch.times(lower * (2 + split), lower, odd), branch.times(upper, upper * (2 - split))]

    def _index(self, line: tuple[int, int], n: int) -> npt.NDArray[np.int64]:
        """Return where in a table of steps ``2 pi / n`` the frequencies of a line are, broadcastable to the plane."""
        factors = line if self.vertical else line[::-1]
        y, x = (
            factor * (n // length) * np.arange(length) % (2 * n) if factor else np.zeros(1, np.int64)
            for factor, length in zip(factors, self.shape, strict=True)
        )
        return np.add.outer(y, x)
