"""The Review dock: from the key to the painted region, with 5,000 regions in a volume of 512x512x300 voxels.

Now and then Python looks through all objects of the process for what nobody needs any more, which takes about 0.2 s in
a viewer, whatever it is doing: the slowest step is therefore stated beside the others.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.programs import milliseconds
from benchmarks.report import Result

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

SHAPE = (300, 512, 512)
REGIONS = 5000
STEPS = 60
RADIUS = 5
GIVE_UP_MS = 180_000


def run() -> list[Result]:
    """Measure."""
    found, begun, going, most, slowest, sorting, stroke, undo, memory = milliseconds("review_dock")
    what = f"{found:,.0f} regions in 512x512x300"
    return [
        Result(f"next and previous in {what}, painted: 95 of 100", most, "ms", 100.0, False, {"median": going}),
        Result("the slowest of them", slowest, "ms", None, False, {}),
        Result("sorting and filtering the table", sorting, "ms", 100.0, False, {}),
        Result("a stroke until it is in the folder", stroke, "ms", 1000.0, False, {"undo": undo}),
        Result("from Begin to the first region", begun, "ms", None, False, {}),
        Result("viewer's memory for the review", memory, "MB", None, False, {}),
    ]


def measure() -> tuple[float, ...]:
    """Review in a real window; return the regions found, then ms in the order of `run`, and MB."""
    import napari
    import psutil

    from napari_medfreq.widgets.review.dock import ReviewDock

    viewer = napari.Viewer()
    add_layers(viewer)
    viewer.screenshot(flash=False)
    before = psutil.Process().memory_info().rss
    with tempfile.TemporaryDirectory() as folder:
        dock = ReviewDock(viewer)
        viewer.window.add_dock_widget(dock, name="Review")
        form = dock.page.form
        form.labels.value = viewer.layers["labels"]
        form.probability.value = (viewer.layers["probability"],)
        dock.page.folder.line.setText(str(Path(folder) / "review"))
        start = perf_counter()
        wait(lambda: dock.session is not None and dock.session.current is not None, dock.begin)
        begun = perf_counter() - start
        memory = (psutil.Process().memory_info().rss - before) / 1e6
        wait(lambda: dock.session.autosave.idle)
        times = [timed(lambda: dock.act("next"), viewer) for _ in range(STEPS)]
        times += [timed(lambda: dock.act("previous"), viewer) for _ in range(STEPS - 1)]
        table = dock.page.panel.table
        sorting = max(
            timed(lambda column=column: table.view.sortByColumn(column, _descending())) for column in range(7)
        )
        sorting = max(sorting, timed(lambda: setattr(table.smallest, "value", 100.0)))
        layer = dock.session.current.case.labels
        _, centre = dock.session.current.case.bounds_on_screen(dock.session.current.region)
        stroke = timed(lambda: wait(lambda: dock.session.autosave.idle, lambda: layer.paint(centre, 2)))
        undo = timed(lambda: wait(lambda: dock.session.autosave.idle, layer.undo))
        found = len(dock.session.rows)
        viewer.close()
    median, most = np.percentile(times, (50, 95))
    return found, 1000 * begun, float(median), float(most), max(times), sorting, stroke, undo, memory


def add_layers(viewer: Any) -> None:
    """Add an int16 volume, its uint8 mask and the mask's probability."""
    from napari.layers import Layer

    from napari_medfreq.io.models import LabelName
    from napari_medfreq.volume import Volume
    from napari_medfreq.widgets.layers import layers_of, result_tuple

    image = np.random.default_rng(0).integers(0, 1000, SHAPE, dtype=np.int16)
    chance = doubtful_balls()
    volume = Volume(image, np.diag([-0.8, 0.8, 1.0, 1.0]), name="volume")
    (source,) = [viewer.add_layer(layer) for layer in layers_of(volume)]
    names = (LabelName(1, "lesion", "#e8a33d"),)
    for kind, data in (("probability", chance), ("labels", (chance > 0.5).astype(np.uint8))):
        shown = result_tuple(volume.like(data, kind=kind, name=kind), source, names)
        viewer.add_layer(Layer.create(*shown))
    viewer.layers["probability"].visible = False


def doubtful_balls() -> npt.NDArray[np.float16]:
    """Return probabilities with a ball of doubtful edge at each of `REGIONS` places that do not touch."""
    side = 2 * RADIUS + 1
    distance = np.linalg.norm(np.indices((side,) * 3) - RADIUS, axis=0)
    ball = (1 / (1 + np.exp(2 * (distance - 3)))).astype(np.float16)
    steps = [range(0, length - side, side + 3) for length in SHAPE]
    corners = np.stack(np.meshgrid(*steps, indexing="ij"), -1).reshape(-1, 3)
    chosen = np.random.default_rng(1).choice(len(corners), REGIONS, replace=False)
    chance = np.zeros(SHAPE, np.float16)
    for z, y, x in corners[chosen]:
        chance[z : z + side, y : y + side, x : x + side] = ball
    return chance


def timed(act: Callable[[], Any], viewer: Any = None) -> float:
    """Return the ms that `act` takes, with the events and, in a `viewer`, the painting that follow."""
    from qtpy.QtWidgets import QApplication

    start = perf_counter()
    act()
    QApplication.processEvents()
    if viewer is not None:
        viewer.screenshot(flash=False)
    return 1000 * (perf_counter() - start)


def wait(is_so: Callable[[], bool], act: Callable[[], Any] | None = None) -> None:
    """Do `act` and run the event loop until ``is_so()``.

    Raises
    ------
    TimeoutError
        If it does not become so.
    """
    from qtpy.QtCore import QEventLoop, QTimer

    loop, watch, look = QEventLoop(), QTimer(), QTimer()
    watch.setSingleShot(True)
    watch.timeout.connect(lambda: loop.exit(1))
    watch.start(GIVE_UP_MS)
    look.timeout.connect(lambda: loop.quit() if is_so() else None)
    if act is not None:
        act()
    look.start(5)
    if loop.exec():
        raise TimeoutError("the dock did not answer in three minutes")


def _descending() -> Any:
    from qtpy.QtCore import Qt

    return Qt.SortOrder.DescendingOrder


def main() -> None:
    """Print what `measure` found."""
    print(*measure())


if __name__ == "__main__":
    main()
