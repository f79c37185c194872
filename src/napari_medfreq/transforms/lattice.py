"""Lattices in the Fourier domain: to decimate is to fold a spectrum, to interpolate is to repeat it.

Decimation by (step_y, step_x) cuts a spectrum into ``step_y * step_x`` alias blocks that fall on each other. Filters
come as pieces: what of their masks is not zero, block by block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# So many complex products take as long as it takes to start one operation (both about 10 microseconds).
_WORTH_AN_OPERATION = 10_000


@dataclass(frozen=True)
class Piece:
    """What is not zero of the masks of several bands, within one alias block."""

    mask: Tensor
    """Shape (bands, rows, columns)."""
    source: tuple[slice, slice]
    """Rows and columns of the large spectrum."""
    target: tuple[slice, slice, slice]
    """Bands, rows and columns of the small spectra."""


def pieces(masks: Tensor, step: tuple[int, int]) -> Iterator[Piece]:
    """Cut masks of shape (bands, H, W).

    The bands of a block stay together unless what their own boxes leave out is worth an operation more for each.
    """
    height, width = masks.shape[-2] // step[0], masks.shape[-1] // step[1]
    for top in range(0, masks.shape[-2], height):
        for left in range(0, masks.shape[-1], width):
            block = masks[:, top : top + height, left : left + width]
            whole = _box(block, 0, len(block))
            single = [_box(block, band, band + 1) for band in range(len(block))]
            saved = _area(whole) - sum(map(_area, single))
            for box in single if saved > _WORTH_AN_OPERATION * (len(single) - 1) else [whole]:
                if _area(box):
                    rows, columns = (
                        slice(part.start + first, part.stop + first)
                        for part, first in zip(box[1:], (top, left), strict=True)
                    )
                    yield Piece(block[box].contiguous(), (rows, columns), box)


def fold(spectra: Tensor, parts: Sequence[Piece], shape: tuple[int, int, int]) -> Tensor:
    """Filter and decimate spectra (..., H, W) for several bands; `shape` is (bands, H / step_y, W / step_x)."""
    total = spectra.new_zeros((*spectra.shape[:-2], *shape))
    wide = spectra.unsqueeze(-3)
    for part in parts:
        total[(..., *part.target)].addcmul_(wide[(..., *part.source)], part.mask)
    return total


def add_unfolded(spectra: Tensor, small: Tensor, parts: Sequence[Piece], sign: float = 1.0) -> None:
    """Interpolate and filter several bands (..., bands, h, w), and add `sign` times their sum to `spectra` in place."""
    for part in parts:
        target, source = spectra[(..., *part.source)], small[(..., *part.target)]
        for band, mask in zip(source.unbind(-3), part.mask.unbind(), strict=True):
            target.addcmul_(band, mask, value=sign)


def real_spectrum(image: Tensor) -> Tensor:
    """Return the whole orthonormal spectrum of a real image; faster than a complex transform."""
    half: Tensor = torch.fft.rfft2(image, norm="ortho")
    width = image.shape[-1]
    middle = width // 2 + 1
    whole = half.new_empty((*half.shape[:-1], width))
    whole[..., :middle] = half
    # The spectrum of a real image at -w is the conjugate of that at w. (A lazy conjugate would be lost in an operator
    # that a compiled program calls.)
    mirrored = half[..., 1 : (width + 1) // 2].flip(-1).conj_physical_()
    whole[..., :1, middle:] = mirrored[..., :1, :]
    whole[..., 1:, middle:] = mirrored[..., 1:, :].flip(-2)
    return whole


def _box(block: Tensor, first: int, last: int) -> tuple[slice, slice, slice]:
    """Return the smallest box around what is not zero in some of the bands of a block (bands, h, w)."""
    there = (block[first:last] != 0).any(dim=0)
    return slice(first, last), _extent(there.any(dim=1)), _extent(there.any(dim=0))


def _extent(there: Tensor) -> slice:
    where = there.nonzero().flatten().tolist()
    return slice(where[0], where[-1] + 1) if where else slice(0, 0)


def _area(box: tuple[slice, slice, slice]) -> int:
    bands, rows, columns = (part.stop - part.start for part in box)
    return int(bands * rows * columns)
