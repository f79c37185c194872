"""A viewer that is killed at any moment loses at most the last second of what was painted."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_medfreq.io.review_folder import ReviewFolder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_medfreq.widgets.review.dock import ReviewDock

pytestmark = pytest.mark.gui
KILLS = 20
AT_ONCE = 4
PROMISE = 1.0
# A stroke every 15 ms, in a real viewer, each on a voxel of its own; a line for each, with its time.
PAINTER = """
import sys, time
from pathlib import Path
import napari, platformdirs
home = Path(sys.argv[1])
platformdirs.user_config_path = lambda *_, **__: home / "config"
from qtpy.QtCore import QTimer
from napari_medfreq.widgets.review.dock import ReviewDock
viewer = napari.Viewer(show=False)
dock = ReviewDock(viewer)
viewer.window.add_dock_widget(dock, name="Review")
timer = QTimer()
strokes = [0]
def begin():
    layer = dock.session.rows[0].case.labels
    layer.brush_size = 1
    def stroke():
        place = divmod(strokes[0], layer.data.shape[2])
        layer.paint((2, *place), int(sys.argv[2]))
        print(strokes[0], time.time(), flush=True)
        strokes[0] += 1
    timer.timeout.connect(stroke)
    timer.start(15)
dock.controller.opened.connect(begin)
dock.controller.open(home / "review")
napari.run()
"""


class Painter:
    """A viewer in a process of its own that paints until it is killed."""

    def __init__(self, home: Path, colour: int) -> None:
        self.strokes: list[tuple[int, float]] = []
        self.first = threading.Event()
        self.process = subprocess.Popen(
            [sys.executable, "-c", PAINTER, str(home), str(colour)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            if not line.endswith("\n"):
                continue  # the kill came in between
            number, when = line.split()
            self.strokes.append((int(number), float(when)))
            self.first.set()
        self.first.set()

    def kill_after(self, seconds: float) -> float:
        """Wait for the first stroke, and so long after it kill the process; return when."""
        assert self.first.wait(120)
        if not self.strokes:
            self.process.wait()
            pytest.fail(f"the viewer did not paint: {self.process.stderr.read()}")
        timer = threading.Event()
        timer.wait(max(0.0, self.strokes[0][1] + seconds - time.time()))
        when = time.time()
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stderr.close()
        self.process.stdout.close()
        return when


def lost(home: Path, colour: int, seconds: float) -> tuple[int, int]:
    """Kill a painting viewer; return how many strokes were older than a second, and how many of these are missing."""
    painter = Painter(home, colour)
    when = painter.kill_after(seconds)
    with ReviewFolder(home / "review") as review:
        (case,) = review.cases.values()
        mask = review.mask(case.id)
    promised = [number for number, painted in painter.strokes if painted < when - PROMISE]
    present = int((mask == colour).sum())
    assert present <= len(painter.strokes) + 1
    # Strokes are saved in the order in which they are painted: those that are there are the first ones.
    return len(promised), max(0, len(promised) - present)


def test_twenty_kills_lose_at_most_the_last_second(
    open_dock: Callable[[], ReviewDock],
    from_file: Callable[..., object],
    begin: Callable[..., None],
    tmp_path: Path,
) -> None:
    from_file()
    dock = open_dock()
    homes = [tmp_path / f"home{number}" for number in range(AT_ONCE)]
    for home in homes:
        begin(dock, home / "review")
        dock.page.close_button.click()
    moments = np.random.default_rng(0).uniform(1.1, 1.6, KILLS)

    def series(number: int) -> list[tuple[int, int]]:
        home = homes[number]
        return [lost(home, colour, seconds) for colour, seconds in enumerate(moments[number::AT_ONCE], start=10)]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(itertools.chain(*pool.map(series, range(AT_ONCE))))
    assert len(results) == KILLS
    assert sum(promised for promised, _ in results) > KILLS  # there was something to lose
    assert [missing for _, missing in results] == [0] * KILLS
