from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from napari_medfreq.engine.grid import Grid, grid_for
from napari_medfreq.engine.preprocess import prepare
from napari_medfreq.engine.slices import cut
from napari_medfreq.io.models import InputSpec
from napari_medfreq.volume import Volume


def grid_of(spec: InputSpec, spacing: tuple[float, float] = (1.0, 1.0)) -> Grid:
    volume = Volume(np.random.default_rng(0).random((40, 100)), np.diag([*spacing[::-1], 1.0, 1.0]), "yx")
    return grid_for(cut(volume, prepare(volume, spec)), spec)


def test_a_whole_slice_becomes_a_square() -> None:
    assert grid_of(InputSpec(("t1",), size=256)) == Grid((40, 100), (256, 256))


def test_a_spacing_is_kept_in_both_directions() -> None:
    grid = grid_of(InputSpec(("t1",), size=64, spacing=0.5), spacing=(1.0, 0.25))
    assert grid.working == (80, 50)
    assert grid.padded == (96, 64)


def test_a_small_slice_is_padded_to_the_canvas_of_the_training() -> None:
    grid = grid_of(InputSpec(("t1",), size=128, spacing=1.0))
    assert grid.working == (40, 100)
    assert grid.padded == (128, 128)
    planes = torch.rand(1, 1, 40, 100)
    seen = grid.to_working(planes)
    assert torch.equal(seen[..., :40, :100], planes)
    assert torch.equal(seen[..., -1, :100], planes[..., -1, :])


@pytest.mark.parametrize("native", [(40, 100), (129, 67), (1, 50), (300, 300)])
@pytest.mark.parametrize("working", [(64, 64), (50, 33)])
@pytest.mark.parametrize("classes", [1, 3])
def test_what_is_seen_comes_back_to_its_place(native: tuple[int, int], working: tuple[int, int], classes: int) -> None:
    """A smooth ramp must come back as it was: half a pixel of shift would show."""
    grid = Grid(native, working)
    across = torch.linspace(0.2, 0.8, native[1]).expand(1, 1, *native)
    seen = grid.to_working(across)
    assert tuple(seen.shape[-2:]) == grid.padded
    quarter = functional.avg_pool2d(seen, 4)
    mean = quarter if classes == 1 else torch.cat([1 - quarter, quarter / 2, quarter / 2], dim=1)
    back = grid.to_native(mean)
    assert tuple(back.shape) == (1, classes, *native)
    expected = across if classes == 1 else torch.cat([1 - across, across / 2, across / 2], dim=1)
    inner = slice(native[1] // 8, -(native[1] // 8))
    torch.testing.assert_close(back[..., inner], expected[..., inner], atol=0.02, rtol=0)
