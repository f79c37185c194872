"""What importing everything that the plugin offers costs in a viewer that is already open."""

from __future__ import annotations

import sys
from statistics import median
from time import perf_counter

from benchmarks.programs import milliseconds
from benchmarks.report import Result

ROUNDS = 5


def run() -> list[Result]:
    """Measure."""
    times = [milliseconds("plugin_import")[0] for _ in range(ROUNDS)]
    return [Result("importing the plugin, beyond napari", median(times), "ms", 150.0, False, {})]


def measure() -> float:
    """Open a viewer, import what the manifest names, and return the milliseconds of the latter."""
    import napari
    from npe2 import PluginManifest

    viewer = napari.Viewer(show=True)
    commands = PluginManifest.from_distribution("napari-medfreq").contributions.commands or []
    names = sorted({command.python_name.partition(":")[0] for command in commands if command.python_name})
    start = perf_counter()
    for name in names:
        __import__(name)
    elapsed = 1000 * (perf_counter() - start)
    viewer.close()
    if "torch" in sys.modules:
        raise RuntimeError("the plugin has loaded torch into the viewer's process")
    return elapsed


if __name__ == "__main__":
    print(measure())
