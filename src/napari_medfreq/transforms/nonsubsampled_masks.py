"""The masks of the non-subsampled contourlet: how the power at each frequency is shared out among the bands.

Each two-channel bank rests on a half-band response ``x(w)``, ``x(w) + x(w + pi) = 1`` along one axis or across a line
through the origin. What one channel passes of the power, and what the other passes, is

    s(x) = x**2 (3 - 2 x)        s(1 - x) = 1 - s(x)

which is the product ``H0 G0`` of the ladder of Phoong et al. (1995). Products of such shares down the pyramid and down
the directional tree are the power masks ``p_k`` of the bands; their sum is 1 at each frequency.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_medfreq.transforms.filters import angular_frequencies, ladder_response, pyramid_responses

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_medfreq.transforms.filters import DirectionalFilter, PyramidFilter

Array = npt.NDArray[np.float64]

# The masks of one size and setting are kept if they are no larger than this, those of the last four: 512 MiB at most.
KEPT_BYTES = 128 * 2**20
_KEPT = 4


@dataclass(frozen=True)
class Bank:
    """What decides the filters: see `nonsubsampled.NonsubsampledContourlet`."""

    levels: tuple[int, ...]
    pyramid: PyramidFilter
    directional: DirectionalFilter

    @property
    def counts(self) -> tuple[int, ...]:
        """How many bands each scale has, coarse to fine, the low-pass first."""
        return (1, *(2**level for level in self.levels))

    @property
    def pairs(self) -> tuple[int, ...]:
        """How many masks each scale has: two bands share one, a band that is alone in its scale has one to itself."""
        return tuple((count + 1) // 2 for count in self.counts)


class Masks(NamedTuple):
    """The masks of two bands each, over the full spectrum."""

    pairs: Tensor
    """``(a + i b)``, real masks of unit mean square: shape (number of pairs, H, W), complex."""
    weights: Tensor
    """Mean power of each band, shape (number of bands,), real: what `pairs` was divided by, squared."""


def masks(bank: Bank, size: tuple[int, int], like: Tensor) -> Masks:
    """Return all masks for images of `size` with the dtype and device of `like`."""
    make = _kept if _bytes(bank, size, like) <= KEPT_BYTES else _made
    return make(bank, size, complex_dtype(like), like.device)


def mask_pairs(bank: Bank, size: tuple[int, int], like: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield masks and weights (one or two) in the order of the layout, made one by one if too large to be kept."""
    if _bytes(bank, size, like) > KEPT_BYTES:
        yield from _make(bank, size, complex_dtype(like), like.device)
        return
    pairs, weights = masks(bank, size, like)
    mask = band = 0
    for count, some in zip(bank.counts, bank.pairs, strict=True):
        step = min(count, 2)
        for index in range(some):
            yield pairs[mask + index], weights[band + step * index : band + step * (index + 1)]
        mask, band = mask + some, band + count


@torch.compiler.disable  # type: ignore[untyped-decorator]  # a mask is a constant: nothing to be traced
def gain_mask(bank: Bank, size: tuple[int, int], like: Tensor, gains: Sequence[float]) -> Tensor:
    """Return what the half spectrum of ``rfft2`` is multiplied by when the bands are, by `gains` in layout order."""
    half = size[1] // 2 + 1
    mask = torch.ones(size[0], half, dtype=like.dtype, device=like.device)
    remaining = iter(gains)
    for pair, weights in mask_pairs(bank, size, like):
        for part, weight in zip((pair.real, pair.imag), weights, strict=False):
            change = next(remaining) - 1
            if change:
                mask += change * weight * part[:, :half].square()
    return mask


def complex_dtype(like: Tensor) -> torch.dtype:
    """Return the dtype of the spectrum of `like`."""
    return torch.complex128 if like.dtype == torch.float64 else torch.complex64


def _bytes(bank: Bank, size: tuple[int, int], like: Tensor) -> int:
    return sum(bank.pairs) * size[0] * size[1] * complex_dtype(like).itemsize


def _made(bank: Bank, size: tuple[int, int], dtype: torch.dtype, device: torch.device) -> Masks:
    pairs, weights = zip(*_make(bank, size, dtype, device), strict=True)
    return Masks(torch.stack(pairs), torch.cat(weights))


_kept = lru_cache(maxsize=_KEPT)(_made)


def _make(
    bank: Bank, size: tuple[int, int], dtype: torch.dtype, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    remaining = powers(bank, size)
    for count, pairs in zip(bank.counts, bank.pairs, strict=True):
        for _ in range(pairs):
            made = [_mask(next(remaining), size[1]) for _ in range(min(count, 2))]
            pair = np.empty(size, dtype=np.complex128)
            pair.real = made[0][0]
            pair.imag = made[1][0] if count > 1 else 0.0
            weights = torch.tensor([weight for _, weight in made], dtype=dtype.to_real(), device=device)
            yield torch.from_numpy(pair).to(device, dtype), weights


def _mask(power: Array, width: int) -> tuple[Array, float]:
    """Return the mask of unit mean square over the full spectrum, and the mean of `power`, given over half of it."""
    opposite = -np.arange(len(power)) % len(power)
    for column in {0, width // 2} if width % 2 == 0 else {0}:
        # These columns are their own mirror image: what rounding makes of that must not grow under the root.
        power[:, column] = (power[:, column] + power[opposite, column]) / 2
    whole = np.concatenate([power, power[opposite][:, width - width // 2 - 1 : 0 : -1]], axis=1)
    mean = float(whole.mean())
    return np.sqrt(np.maximum(whole, 0.0) / (mean or 1.0)), mean


def powers(bank: Bank, size: tuple[int, int]) -> Iterator[Array]:
    """Yield the power mask of each band over the half spectrum of ``rfft2``, in the order of the layout."""
    omega_y = angular_frequencies(size[0])[:, None]
    omega_x = np.abs(angular_frequencies(size[1])[None, : size[1] // 2 + 1])
    passed: Array = np.ones((omega_y.size, omega_x.size))
    details = []
    for octave in range(len(bank.levels)):
        low = _low_power(bank.pyramid, omega_y * 2**octave) * _low_power(bank.pyramid, omega_x * 2**octave)
        details.append(passed * (1 - low))
        passed = passed * low
    yield passed
    for octave, (detail, level) in reversed(list(enumerate(zip(details, reversed(bank.levels), strict=True)))):
        if level == 0:
            yield detail
            continue
        y, x = omega_y * 2**octave, omega_x * 2**octave
        fan = ladder_response(bank.directional, y + x + np.pi) * ladder_response(bank.directional, y - x + np.pi)
        vertical = _share(fan, level - 1)
        yield from _Tree(x, y, level, bank.directional, falling=False).wedges(detail * (1 - vertical))
        yield from _Tree(y, x, level, bank.directional, falling=True).wedges(detail * vertical)


@dataclass(frozen=True)
class _Tree:
    """The directional tree of the wedges around the frequency axis `main`, whose slopes are ``cross / main``."""

    main: Array
    cross: Array
    levels: int
    name: DirectionalFilter
    falling: bool

    def wedges(self, power: Array, low: float = -1.0, stage: int = 2) -> Iterator[Array]:
        """Divide `power` on the slopes from `low` to ``low + 2**(3 - stage)`` until each wedge has its own."""
        if stage > self.levels:
            yield power
            return
        stretch = 2 ** (stage - 2)
        middle = low + 1 / stretch
        along = 2 * (stretch * self.cross - round(stretch * middle) * self.main) + np.pi
        split = ladder_response(self.name, along) * ladder_response(self.name, 2 * self.main + np.pi)
        upper = _share(split, self.levels - stage)
        halves = [(1 - upper, low), (upper, middle)]
        for share, start in reversed(halves) if self.falling else halves:
            yield from self.wedges(power * share, start, stage + 1)


def _low_power(name: PyramidFilter, omega: Array) -> Array:
    analysis, synthesis = pyramid_responses(name, omega)
    return _smooth_step((analysis * synthesis).real / 2)


def _share(split: Array, finer: int) -> Array:
    """Return the share of the power where `split` is +1.

    Each of the `finer` stages that follow halves the wedges. A boundary drawn before them must be as sharp, against
    their width, as theirs: one more step a stage does it.
    """
    share = (1 + split) / 2
    for _ in range(1 + finer):
        share = _smooth_step(share)
    return share


def _smooth_step(x: Array) -> Array:
    return x * x * (3 - 2 * x)
