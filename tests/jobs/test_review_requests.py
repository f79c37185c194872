"""A queue as the dock asks for it: by the child process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_medfreq.io.review import QueueOptions
from napari_medfreq.jobs.host import ChildExecutor
from napari_medfreq.jobs.inline import InlineExecutor
from napari_medfreq.jobs.review_requests import QueueRequest
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from pathlib import Path


def test_the_child_finds_the_regions_that_this_process_finds(tmp_path: Path) -> None:
    p = np.zeros((6, 40, 50), np.float16)
    p[1:5, 5:20, 5:20] = 1.0
    p[2:4, 25:33, 30:42] = 0.4
    p[1:5, 20:23, 5:20] = 0.3
    grid = Volume(p, np.diag([0.5, 0.5, 3.0, 1.0]), kind="probability")
    labels = grid.like((p >= 0.5).astype(np.uint8), kind="labels")
    request = QueueRequest(labels, grid, None, (1,), QueueOptions(smallest=4))
    here = InlineExecutor().submit(request).result()
    with ChildExecutor(tmp_path) as executor:
        there = executor.submit(request).result(60)
    assert len(here.regions) == 2
    assert there.regions == here.regions
    assert np.array_equal(there.map, here.map)
    assert there.expected_dice == here.expected_dice
