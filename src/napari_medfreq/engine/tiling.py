"""Large planes in tiles: where they lie and how their results are blended."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

STRIDE = 4  # results have a quarter of the image's resolution
SMALLEST = 64  # pixels; a smaller tile shows a network nothing
_OVERLAP = 0.25


def tile_starts(length: int, tile: int) -> list[int]:
    """Return where tiles of side `tile` begin to cover `length`, overlap by a quarter and lie on the stride."""
    if length <= tile:
        return [0]
    count = 1 + -(-(length - tile) // max(STRIDE, int(tile * (1 - _OVERLAP))))
    last = length - tile
    return [round(i * last / (count - 1) / STRIDE) * STRIDE for i in range(count)]


def tile_count(shape: tuple[int, int], tile: int) -> int:
    """Return the number of tiles of a plane of `shape`."""
    return len(tile_starts(shape[0], tile)) * len(tile_starts(shape[1], tile))


def fit_tile(tile: int, multiple: int = 32) -> int:
    """Return the largest side that the network sees whole and that is at most `tile` (but at least `SMALLEST`)."""
    return max(SMALLEST, tile // multiple * multiple)


def predict_tiled(images: Tensor, tile: int, predict: Callable[[Tensor], Tensor], done: Callable[[], None]) -> Tensor:
    """Return what `predict` finds in `images`, tile by tile with a Gaussian blend where they are larger than `tile`.

    Parameters
    ----------
    images : torch.Tensor, shape (N, C, H, W)
        H and W are multiples of 32.
    tile : int
        Side of the tiles, a multiple of 32.
    predict : callable
        Maps (N, C, h, w) to float32 probabilities (N, K, h / 4, w / 4).
    done : callable
        Called after each tile.

    Returns
    -------
    torch.Tensor, shape (N, K, H / 4, W / 4), float32
    """
    height, width = images.shape[-2:]
    if height <= tile and width <= tile:
        result = predict(images)
        done()
        return result
    total: Tensor | None = None
    weight = images.new_zeros(height // STRIDE, width // STRIDE)
    for top in tile_starts(height, tile):
        for left in tile_starts(width, tile):
            part = predict(images[..., top : top + tile, left : left + tile]).to(images.device)
            if total is None:
                total = part.new_zeros(*part.shape[:2], *weight.shape)
            rows, columns = part.shape[-2:]
            window = (
                slice(top // STRIDE, top // STRIDE + rows),
                slice(left // STRIDE, left // STRIDE + columns),
            )
            bell = _gaussian(rows)[:, None] * _gaussian(columns)
            bell = bell.clamp_min(1e-3).to(part)
            total[(..., *window)] += part * bell
            weight[window] += bell
            done()
    return images if total is None else total.div_(weight)


@cache
def _gaussian(length: int) -> Tensor:
    position = (torch.arange(length, dtype=torch.float32) + 0.5) / length - 0.5
    return torch.exp(-0.5 * (position * 6.0) ** 2)
