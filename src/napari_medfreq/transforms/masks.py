"""The contourlet's masks, packed for speed and kept for the next image of the same size.

Bands go in pairs: with ``A1 + i A2`` as one mask, one inverse Fourier transform gives the first band of a pair as its
real part and the second as its imaginary part; with ``S1 - i S2`` both return to the real part of the image. With one
directional level the pair is not two wedges but the two cosets of one wedge's quincunx lattice. All masks hold the
factor that makes folding and repeating adjoint to each other where Fourier transforms are orthonormal.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_medfreq.transforms.directional import Array, Wedges, half
from napari_medfreq.transforms.filters import (
    DirectionalFilter,
    PyramidFilter,
    angular_frequencies,
    pyramid_responses,
)
from napari_medfreq.transforms.lattice import Piece, pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

# Of 2048 x 2048 pixels at levels (3, 3, 4) both ways take 0.4 GiB in single precision; 0.9 GiB with 9-7 and pkva.
_KEPT_BYTES = 2**30


@dataclass
class MaskCache:
    """Keeps the masks used last, up to `limit` bytes; what is larger than that is computed each time anew."""

    limit: int
    _entries: OrderedDict[Hashable, tuple[Piece, ...]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Hashable, build: Callable[[], Iterable[Piece]]) -> tuple[Piece, ...]:
        """Return what is kept under `key`, or `build` and keep it."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key]
        # A mask made in inference mode could not be used outside it.
        with torch.inference_mode(False):
            made = tuple(build())
        with self._lock:
            self._entries[key] = made
            while self.nbytes > self.limit:
                self._entries.popitem(last=False)
        return made

    @property
    def nbytes(self) -> int:
        """What the masks take up, in bytes."""
        return sum(piece.mask.nbytes for kept in self._entries.values() for piece in kept)


_cache = MaskCache(_KEPT_BYTES)


def pyramid_masks(size: tuple[int, int], name: PyramidFilter, synthesis: bool, like: Tensor) -> tuple[Piece, ...]:
    """Return the low-pass mask of spectra of `size`, with the dtype and device of `like`."""

    def build() -> Iterator[Piece]:
        rows, columns = (pyramid_responses(name, angular_frequencies(length))[synthesis] for length in size)
        mask = torch.from_numpy(np.multiply.outer(rows, columns) / 2)
        return _placed(mask[None], (2, 2), like)

    return _cache.get(("pyramid", size, name, synthesis, like.dtype, like.device), build)


def wedge_masks(
    size: tuple[int, int], level: int, name: DirectionalFilter, synthesis: bool, like: Tensor
) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Return the packed masks of the vertical and of the horizontal wedges.

    Parameters
    ----------
    size : tuple of int
        Height and width of the spectrum.
    level : int
        At least 1.
    name : {"pkva", "haar", "meyer"}
        The ladder filter.
    synthesis : bool
        Which of the two: ``A1 + i A2`` or ``S1 - i S2``.
    like : Tensor
        Whose (complex) dtype and device the masks shall have.
    """

    def masks(*, vertical: bool) -> tuple[Piece, ...]:
        def build() -> Iterator[Piece]:
            packed = _packed(half(size, level, name, vertical=vertical), synthesis)
            return _placed(packed, steps(level, vertical=vertical), like)

        return _cache.get(("wedges", size, level, name, synthesis, vertical, like.dtype, like.device), build)

    return masks(vertical=True), masks(vertical=False)


def steps(level: int, *, vertical: bool) -> tuple[int, int]:
    """Return the decimation along y and x of the packed wedges of a level of at least 1."""
    far = max(2 ** (level - 1), 2)
    return (2, far) if vertical else (far, 2)


def _placed(masks: Tensor, step: tuple[int, int], like: Tensor) -> Iterator[Piece]:
    for piece in pieces(masks, step):
        yield Piece(piece.mask.to(like.dtype).to(like.device), piece.source, piece.target)


def _packed(part: Wedges, synthesis: bool) -> Tensor:
    filters = part.synthesis if synthesis else part.analysis
    count = len(filters)
    scale = 1 / sqrt(max(2 * count, 4))
    cosets = [(i, 0) for i in range(count)] if count > 1 else [(0, 0), (0, 1)]
    packed = np.empty((len(cosets) // 2, *filters.shape[1:]), np.complex128)
    for number, pair in enumerate(packed):
        first, second = (_shifted(part, filters, *coset, synthesis) for coset in cosets[2 * number : 2 * number + 2])
        second *= -1j if synthesis else 1j
        np.add(first, second, out=pair)
        pair *= scale
    return torch.from_numpy(packed)


def _shifted(part: Wedges, filters: Array, index: int, extra: int, synthesis: bool) -> npt.NDArray[np.complex128]:
    """Return a mask with its shift, and `extra` samples more along both axes."""
    sign = -1j if synthesis else 1j
    rows, columns = (
        np.exp(sign * (shift + extra) * angular_frequencies(length))
        for shift, length in zip(part.shifts[index], filters.shape[-2:], strict=True)
    )
    result: npt.NDArray[np.complex128] = np.multiply.outer(rows, columns)
    result *= filters[index]
    return result
