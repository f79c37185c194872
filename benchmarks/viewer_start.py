"""From nothing to a painted image: napari alone, with the plugin installed, and with the Segment dock open."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from benchmarks.duel import medians
from benchmarks.programs import milliseconds
from benchmarks.report import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

ROUNDS = 5
HOW = {"napari alone": "off", "with the plugin": "on", "with the dock open": "dock"}


def run() -> list[Result]:
    """Measure."""
    times: dict[str, list[float]] = {name: [] for name in HOW}
    for index in range(-1, ROUNDS):
        for name, how in HOW.items():
            (elapsed,) = milliseconds("viewer_start", how)
            if index >= 0:
                times[name].append(elapsed)
    middle = medians(times)
    alone, installed, docked = (middle[name] for name in HOW)
    return [
        Result("viewer start: what the plugin adds", installed - alone, "ms", 150.0, False, middle),
        Result("viewer start: what the open dock adds", docked - alone, "ms", None, False, {}),
    ]


def measure(how: str) -> float:
    """Open napari, paint an image and return the milliseconds since the process started."""
    import napari
    import numpy as np
    import psutil
    from npe2 import PluginManager
    from qtpy.QtWidgets import QApplication

    manager = PluginManager.instance()
    if how == "off":
        manager.discover()
        manager.disable("napari-medfreq")
    viewer = napari.Viewer()
    viewer.add_image(np.zeros((64, 64), np.uint8))
    if how == "dock":
        viewer.window.add_plugin_dock_widget("napari-medfreq", "Segment")
    QApplication.processEvents()
    viewer.screenshot(canvas_only=True, flash=False)
    elapsed = 1000 * (time.time() - psutil.Process().create_time())
    viewer.close()
    return elapsed


def main(words: Sequence[str]) -> None:
    """Print what `measure` found."""
    print(measure(words[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
