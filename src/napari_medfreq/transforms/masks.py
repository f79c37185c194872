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
from napari_medfreq.transforms.lattice import blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

# Analysis and synthesis of 2048 x 2048 pixels at levels (3, 3, 4) in single precision take 0.9 GiB.
_KEPT_BYTES = 2**30


@dataclass
class MaskCache:
    """Keeps the masks used last, up to `limit` bytes; what is larger than that is computed each time anew."""

    limit: int
    _entries: OrderedDict[Hashable, tuple[Tensor, ...]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Hashable, build: Callable[[], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        """Return what is kept under `key`, or `build` and keep it."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key]
        # A mask made in inference mode could not be used outside it.
        with torch.inference_mode(False):
            masks = build()
        with self._lock:
            self._entries[key] = masks
            while self.nbytes > self.limit:
                self._entries.popitem(last=False)
        return masks

    @property
    def nbytes(self) -> int:
        """What the masks take up, in bytes."""
        return sum(mask.nbytes for masks in self._entries.values() for mask in masks)


_cache = MaskCache(_KEPT_BYTES)


def pyramid_masks(
    size: tuple[int, int], name: PyramidFilter, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return the low-pass analysis and synthesis masks of spectra of `size` as `blocks` of decimation by 2."""

    def build() -> tuple[Tensor, ...]:
        rows = pyramid_responses(name, angular_frequencies(size[0]))
        columns = pyramid_responses(name, angular_frequencies(size[1]))
        return tuple(
            blocks(torch.from_numpy(np.multiply.outer(r, c) / 2).to(dtype).to(device), (2, 2))
            for r, c in zip(rows, columns, strict=True)
        )

    analysis, synthesis = _cache.get(("pyramid", size, name, dtype, device), build)
    return analysis, synthesis


def wedge_masks(
    size: tuple[int, int], level: int, name: DirectionalFilter, synthesis: bool, like: Tensor
) -> tuple[tuple[Tensor, tuple[int, int]], ...]:
    """Return for the vertical and the horizontal wedges the packed masks and their decimation.

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

    Returns
    -------
    tuple of (Tensor, tuple of int)
        Masks as `blocks`, shape (step_y * step_x, pairs, H / step_y, W / step_x), and (step_y, step_x).
    """
    far = max(2 ** (level - 1), 2)
    steps = ((2, far), (far, 2))
    dtype, device = like.dtype, like.device

    def build() -> tuple[Tensor, ...]:
        return tuple(
            _packed(half(size, level, name, vertical=vertical), synthesis, step, dtype).to(device)
            for vertical, step in zip((True, False), steps, strict=True)
        )

    masks = _cache.get(("wedges", size, level, name, synthesis, dtype, device), build)
    return tuple(zip(masks, steps, strict=True))


def _packed(part: Wedges, synthesis: bool, step: tuple[int, int], dtype: torch.dtype) -> Tensor:
    filters = part.synthesis if synthesis else part.analysis
    count, height, width = filters.shape
    scale = 1 / sqrt(step[0] * step[1])
    cosets = [(i, 0) for i in range(count)] if count > 1 else [(0, 0), (0, 1)]
    packed = torch.empty(step[0] * step[1], len(cosets) // 2, height // step[0], width // step[1], dtype=dtype)
    for number in range(len(cosets) // 2):
        first, second = (_shifted(part, filters, *coset, synthesis) for coset in cosets[2 * number : 2 * number + 2])
        second *= -1j if synthesis else 1j
        first += second
        first *= scale
        packed[:, number] = blocks(torch.from_numpy(first), step)
    return packed


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
