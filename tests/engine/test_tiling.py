from __future__ import annotations

import itertools

import pytest
import torch
from torch.nn import functional

from napari_medfreq.engine.tiling import fit_tile, predict_tiled, tile_count, tile_starts


@pytest.mark.parametrize("length", [32, 64, 96, 128, 160, 512, 992])
@pytest.mark.parametrize("tile", [64, 96, 256])
def test_tiles_cover_and_overlap_by_a_quarter(length: int, tile: int) -> None:
    starts = tile_starts(length, tile)
    assert starts[0] == 0
    assert starts[-1] + tile >= length
    assert max(starts) + tile <= max(length, tile)
    assert all(start % 4 == 0 for start in starts)
    assert all(b - a <= 0.75 * tile + 4 for a, b in itertools.pairwise(starts))


def pooled(images: torch.Tensor) -> torch.Tensor:
    return functional.avg_pool2d(images, 4)


@pytest.mark.parametrize(("height", "width", "tile"), [(64, 64, 64), (64, 160, 64), (224, 192, 64), (96, 32, 64)])
def test_what_is_local_does_not_show_the_tiles(height: int, width: int, tile: int) -> None:
    images = torch.rand(2, 3, height, width)
    calls = []
    result = predict_tiled(images, tile, pooled, lambda: calls.append(1))
    torch.testing.assert_close(result, pooled(images))
    assert len(calls) == tile_count((height, width), tile)


def test_a_seam_is_blended() -> None:
    """Two tiles that disagree must pass over into each other instead of meeting at an edge."""
    answers = iter([0.0, 1.0])
    result = predict_tiled(
        torch.rand(1, 1, 64, 96), 64, lambda x: torch.full((1, 1, 16, x.shape[-1] // 4), next(answers)), lambda: None
    )
    row = result[0, 0, 8]
    assert row[0] == 0
    assert row[-1] == 1
    assert (row.diff() >= 0).all()
    assert row.diff().max() < 0.5


def test_a_tile_fits_the_network() -> None:
    assert [fit_tile(n) for n in (1, 64, 100, 511)] == [64, 64, 96, 480]
