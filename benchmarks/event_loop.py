"""The longest pause of the viewer's event loop while a 240x240x155 volume is segmented through the dock."""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.networks import write_model
from benchmarks.programs import milliseconds
from benchmarks.report import Result
from napari_medfreq.volume import Volume

SHAPE = (155, 240, 240)
BEAT_MS = 2
GIVE_UP_MS = 20 * 60 * 1000
PASSES = 20


def run() -> list[Result]:
    """Measure."""
    computing, clicking = milliseconds("event_loop")
    return [
        Result("longest gap of the event loop while a volume is segmented", computing, "ms", 50.0, False, {}),
        Result("longest gap before, as the click adds the empty layers", clicking, "ms", None, False, {}),
    ]


class Heart:
    """A timer of the event loop that remembers how long it was kept waiting.

    Attributes
    ----------
    gaps : list of float
        Times between two beats, in ms, since the compute side was asked.
    clicking : list of float
        Those before, from the click on: the layers of the result are added, and napari makes the controls and visuals
        of each in one go, which no plugin can divide.
    """

    def __init__(self) -> None:
        from qtpy.QtCore import Qt, QTimer

        self.gaps: list[float] = []
        self.clicking: list[float] = []
        self._computing = False
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)

    def start(self) -> None:
        """Begin to beat."""
        self._last = perf_counter()
        self._timer.start(BEAT_MS)

    def stop(self) -> None:
        """Beat no more."""
        self._timer.stop()

    def _beat(self) -> None:
        now = perf_counter()
        (self.gaps if self._computing else self.clicking).append(1000 * (now - self._last))
        self._last = now

    def see_sent(self) -> None:
        """Remember that the compute side works from now on; the gap under way counts with those to come."""
        self._computing = True


def measure(model: Path) -> tuple[float, float]:
    """Segment a volume in a real viewer and return the longest times between two beats of a timer, in ms.

    Counted from the moment on in which the compute side was asked, until all is drawn and listed; and from the click to
    that moment, in which the empty layers of the result are added.

    Raises
    ------
    RuntimeError
        If the segmentation failed.
    """
    import napari
    from qtpy.QtCore import QTimer

    from napari_medfreq.io.models import read_model
    from napari_medfreq.widgets.layers import layers_of
    from napari_medfreq.widgets.segment.dock import SegmentDock

    viewer = napari.Viewer()
    (layer,) = layers_of(Volume(_head(), np.eye(4), name="head"))
    viewer.add_layer(layer)
    dock = SegmentDock(viewer, models=[read_model(model)])
    viewer.window.add_dock_widget(dock, name="Segment")
    dock.form.passes.value = PASSES
    failures: list[str] = []
    heart = Heart()
    dock.controller.sent.connect(heart.see_sent)

    def click() -> None:
        heart.start()
        dock.run_or_cancel()

    def finish() -> None:
        heart.stop()
        if dock.controller.results is None and not failures:
            failures.append("it did not finish in 20 minutes")
        viewer.close()

    dock.controller.said.connect(lambda text, error: failures.append(text) if error else None)
    # What the end itself costs (the table, the last drawing) counts as well.
    dock.controller.ended.connect(lambda: QTimer.singleShot(500, finish))
    watch = QTimer(dock)
    watch.setSingleShot(True)
    watch.timeout.connect(finish)
    watch.start(GIVE_UP_MS)
    QTimer.singleShot(1000, click)
    napari.run()
    if failures:
        raise RuntimeError(f"the volume was not segmented: {'; '.join(failures)}")
    return max(heart.gaps), max(heart.clicking)


def _head() -> np.ndarray:
    """Return a bright ball in noise, float32, about as a brain in its field of view."""
    z, y, x = np.ogrid[tuple(slice(-1, 1, complex(0, side)) for side in SHAPE)]
    noise = np.random.default_rng(0).normal(0, 0.05, SHAPE)
    return (np.clip(1.2 - (x**2 + y**2 + z**2), 0, 1) + noise).astype(np.float32)


def main() -> None:
    """Print what `measure` found."""
    with tempfile.TemporaryDirectory() as folder:
        model = write_model(Path(folder), ("t1",), 3, 256)
        print(*measure(model))


if __name__ == "__main__":
    main()
