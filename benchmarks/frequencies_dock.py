"""The Frequencies dock: from a click on a band to the changed slice on screen, and the memory that the dock takes."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.duel import medians
from benchmarks.programs import milliseconds
from benchmarks.report import Result

if TYPE_CHECKING:
    from collections.abc import Callable

SLICE = (512, 512)
VOLUME = (300, 512, 512)
CLICKS = 30
SWITCHES = 50
GIVE_UP_MS = 120_000
MEGABYTE = 1e6


def run() -> list[Result]:
    """Measure."""
    shown, answered, drawn, opened, held, switched = milliseconds("frequencies_dock")
    beside = {"click to changed layer": shown, "the compute side alone": answered, "click to painted": drawn}
    return [
        Result("click on a band to the changed 512x512 slice", shown, "ms", 100.0, False, beside),
        Result("viewer's memory for the dock on 512x512x300 int16", opened, "MB", 50.0, False, {}),
        Result("memory of the compute process on the same", held, "MB", None, False, {}),
        Result("viewer's memory after fifty switches of layer", switched, "MB", 50.0, False, {}),
    ]


def measure() -> tuple[float, ...]:
    """Open a real viewer and a real child process, and return what `run` reports: ms, ms, ms, MB, MB, MB."""
    import napari
    import psutil

    from napari_medfreq.jobs.frequency_requests import FilterRequest
    from napari_medfreq.jobs.host import ChildExecutor
    from napari_medfreq.widgets.frequencies.dock import FrequenciesDock
    from napari_medfreq.widgets.frequencies.planes import read_plane

    viewer = napari.Viewer()
    # Zeros of the system would be counted only when they are read.
    volume = np.random.default_rng(0).integers(0, 1000, VOLUME, dtype=np.int16)
    viewer.add_image(volume, name="volume", contrast_limits=(0, 1000))
    viewer.screenshot(flash=False)
    me = psutil.Process()
    before = me.memory_info().rss
    executor = ChildExecutor()
    dock = FrequenciesDock(viewer, executor, models=())
    viewer.window.add_dock_widget(dock, name="Frequencies")
    wait(dock.controller.analysed, lambda: None)
    key = dock.controller.analysis.layout[12].key
    wait(dock.controller.changed, lambda: dock.controller.gains.toggle_mute(key))
    opened = (me.memory_info().rss - before) / MEGABYTE
    held = sum(child.memory_info().rss for child in me.children()) / MEGABYTE
    times: dict[str, list[float]] = {"shown": [], "answered": [], "drawn": []}
    plane = read_plane(dock.controller.shown)
    for number in range(-3, CLICKS):
        start = perf_counter()
        wait(dock.controller.changed, lambda: click(dock, key))
        shown = perf_counter()
        viewer.screenshot(flash=False)
        drawn = perf_counter()
        executor.submit(FilterRequest(plane, dock.controller.view.options, dock.controller.gains.gains)).result()
        answered = perf_counter()
        if number >= 0:
            times["shown"].append(1000 * (shown - start))
            times["drawn"].append(1000 * (drawn - start))
            times["answered"].append(1000 * (answered - drawn))
    middle = medians(times)
    switched = switches(viewer, dock)
    viewer.close()
    return middle["shown"], middle["answered"], middle["drawn"], opened, held, switched


def switches(viewer: Any, dock: Any) -> float:
    """Switch between two layers with a muted band and return what the viewer's memory has grown by, in MB."""
    import psutil

    pixels = np.random.default_rng(0).random((2, *SLICE), dtype=np.float32)
    layers = [viewer.add_image(image, name=f"slice {number}") for number, image in enumerate(pixels)]
    dock.controller.gains.toggle_mute(dock.controller.analysis.layout[2].key)

    def switch(times: int) -> None:
        for number in range(times):
            wait(dock.controller.changed, lambda number=number: dock.form.choose_layer(layers[number % 2]))

    switch(8)
    before = psutil.Process().memory_info().rss
    switch(SWITCHES)
    return (psutil.Process().memory_info().rss - before) / MEGABYTE


def click(dock: Any, key: Any) -> None:
    """Click on the band `key`."""
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    fan = dock.bands.fan
    QTest.mouseClick(fan, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, fan.point_of(key).toPoint())


def wait(signal: Any, act: Callable[[], None]) -> None:
    """Do `act` and run the event loop until `signal` comes.

    Raises
    ------
    TimeoutError
        If it does not.
    """
    from qtpy.QtCore import QEventLoop, QTimer

    loop, watch = QEventLoop(), QTimer()
    watch.setSingleShot(True)
    watch.timeout.connect(lambda: loop.exit(1))
    watch.start(GIVE_UP_MS)
    signal.connect(loop.quit)
    QTimer.singleShot(0, act)
    late = loop.exec()
    signal.disconnect(loop.quit)
    if late:
        raise TimeoutError("the dock did not answer in two minutes")


def main() -> None:
    """Print what `measure` found."""
    print(*measure())


if __name__ == "__main__":
    main()
