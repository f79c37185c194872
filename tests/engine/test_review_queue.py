from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_medfreq.engine.review_queue import find_regions
from napari_medfreq.errors import InputError
from napari_medfreq.io.review import Queue, QueueOptions
from napari_medfreq.volume import Axes, Volume


class Quiet:
    """A sink that listens to nothing."""

    def progress(self, done: int, total: int, text: str) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def check(self) -> None:
        pass

    def allocate(self, name: str, shape: tuple[int, ...], dtype: str) -> Any:
        return np.zeros(shape, dtype)

    def partial(self, name: str, region: tuple[tuple[int, int], ...]) -> None:
        pass


def queue_of(p: Any, mask: Any = None, values: tuple[int, ...] = (1,), **options: Any) -> Queue:
    shape = p.shape if mask is None else mask.shape
    mask = (p >= 0.5).astype(np.uint8) if mask is None else mask
    axes: Axes = "yx" if len(shape) == 2 else "zyx"
    grid = Volume(np.zeros(shape, np.int16), np.diag([0.5, 0.5, 2.0, 1.0]), axes)
    labels = grid.like(mask, kind="labels")
    leading: Axes = "czyx" if p.ndim > mask.ndim else axes
    chance = Volume(p.astype(np.float16), grid.affine, leading, kind="probability")
    return find_regions(labels, chance, None, values, QueueOptions(**options), Quiet())


def test_the_region_that_pays_most_comes_first() -> None:
    p = np.zeros((64, 64))
    p[8:40, 8:40] = 1.0  # sure of the organ
    p[45:55, 45:55] = 0.45  # may well be missed
    p[2:6, 50:62] = 0.25  # hardly
    queue = queue_of(p)
    assert [r.bounds for r in queue.regions] == [((45, 55), (45, 55)), ((2, 6), (50, 62))]
    first = queue.regions[0]
    assert first.voxels == 100
    assert first.size == pytest.approx(25.0)
    assert first.size_unit == "mm²"
    assert first.expected_errors == pytest.approx(45, rel=1e-3)
    assert set(np.unique(queue.map)) == {0, 1, 2}
    assert (queue.map[45:55, 45:55] == 1).all()


def test_the_expected_gain_is_the_mean_gain_of_dice() -> None:
    rng = np.random.default_rng(0)
    p = np.zeros((40, 40))
    p[5:25, 5:25] = 0.95
    p[28:36, 28:36] = 0.4
    mask = p >= 0.5
    queue = queue_of(p)
    before, gains = [], []
    for _ in range(400):
        truth = rng.random(p.shape) < p
        before.append(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))
        corrected = np.where(queue.map == 1, truth, mask)
        gains.append(2 * (corrected & truth).sum() / (corrected.sum() + truth.sum()) - before[-1])
    assert queue.expected_dice == pytest.approx(np.mean(before), abs=0.003)
    assert queue.regions[0].gain == pytest.approx(np.mean(gains), abs=0.003)


def test_a_long_outline_is_divided_into_pieces_that_fit_on_the_screen() -> None:
    y, x = np.mgrid[:200, :200]
    p = 1 / (1 + np.exp(np.hypot(y - 100, x - 100) - 70))
    queue = queue_of(p, reach=32)
    assert len(queue.regions) > 6
    assert max(stop - start for r in queue.regions for start, stop in r.bounds) <= 33
    assert (queue.map > 0).sum() == sum(r.voxels for r in queue.regions)


def test_labels_are_told_apart() -> None:
    p = np.zeros((2, 8, 32, 32))
    p[0, 2:6, 4:12, 4:12] = 1.0
    p[1, 2:6, 20:28, 20:28] = 1.0
    p[1, 3, 14:18, 20:28] = 0.4
    mask = np.where(p[0] > 0.5, 1, np.where(p[1] > 0.5, 2, 0)).astype(np.uint8)
    queue = queue_of(p, mask, (1, 2))
    assert [r.label for r in queue.regions] == [2]
    assert queue.regions[0].size == pytest.approx(32 * 0.5)
    assert queue.regions[0].size_unit == "mm³"
    assert queue.regions[0].centre[0] == 3


def test_no_doubt_no_regions() -> None:
    p = np.zeros((16, 16))
    p[4:8, 4:8] = 1.0
    queue = queue_of(p)
    assert queue.regions == ()
    assert queue.expected_dice == 1.0
    assert not queue.map.any()


def test_an_empty_image_without_doubt_is_right() -> None:
    assert queue_of(np.zeros((16, 16))).expected_dice == 1.0


@pytest.mark.parametrize("options", [{"doubt": 0.0}, {"doubt": 0.7}, {"reach": 1}, {"smallest": 0}])
def test_senseless_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="must"):
        QueueOptions(**options)
