"""Twenty Monte Carlo passes beside one, and beside running the whole network twenty times."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.duel import duel, medians, ratio
from benchmarks.networks import SIDE, picture, write_model
from benchmarks.report import Result

if TYPE_CHECKING:
    from collections.abc import Callable

PASSES = 20


def passes(model: Path, count: int, repeat: int) -> Callable[[], object]:
    """Segment one picture with `count` passes, `repeat` times over."""
    from napari_medfreq.engine.options import SegmentOptions
    from napari_medfreq.jobs import run as handlers
    from napari_medfreq.jobs.inline import InlineExecutor
    from napari_medfreq.jobs.messages import SegmentRequest

    if hasattr(handlers, "prepare_process"):
        handlers.prepare_process()
    executor = InlineExecutor()
    request = SegmentRequest(picture(), str(model), SegmentOptions(passes=count, device="cpu"))
    return lambda: [executor.submit(request).result() for _ in range(repeat)]


def run() -> list[Result]:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        model = write_model(Path(folder), ("red", "green", "blue"), 1, SIDE)
        times = duel(
            {
                "1 pass": (passes, model, 1, 1),
                f"{PASSES} passes": (passes, model, PASSES, 1),
                f"{PASSES} whole runs": (passes, model, 1, PASSES),
            },
            rounds=7,
        )
    cost = ratio(times, f"{PASSES} passes", "1 pass")
    saved = ratio(times, f"{PASSES} whole runs", f"{PASSES} passes")
    return [
        Result(f"{PASSES} Monte Carlo passes beside 1", cost, "x", 1.5, False, medians(times)),
        Result(f"{PASSES} Monte Carlo passes ahead of {PASSES} whole runs", saved, "x", None, True, {}),
    ]
