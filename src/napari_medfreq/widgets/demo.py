"""``python -m napari_medfreq.widgets.demo``: a fundus photograph, segmented before your eyes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medfreq.errors import MedfreqError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.viewer import Viewer

    from napari_medfreq.widgets.segment.dock import SegmentDock

MODEL = "mmsnet-mix-b0"
PASSES = 20
_GIVE_UP_MS = 10 * 60 * 1000


def open_demo(model: str = MODEL) -> tuple[Viewer, SegmentDock]:
    """Open napari on the photograph with the Segment dock beside it, ready to run.

    Raises
    ------
    ModelError
        If the model is missing or damaged.
    """
    import napari

    from napari_medfreq.io.models import open_model
    from napari_medfreq.io.samples import retina
    from napari_medfreq.widgets.layers import layers_of
    from napari_medfreq.widgets.segment.dock import SegmentDock

    folder = open_model(model)
    viewer = napari.Viewer(title="napari-medfreq")
    (layer,) = layers_of(retina())
    viewer.add_layer(layer)
    dock = SegmentDock(viewer, models=[folder])
    viewer.window.add_dock_widget(dock, name="Segment", area="right")
    dock.form.passes.value = PASSES
    return viewer, dock


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; with ``--screenshot`` write the picture of the finished result and end.

    Returns
    -------
    int
        0, or 1 when anything failed; the reason is written to the standard error.
    """
    parser = argparse.ArgumentParser(prog="napari-medfreq demo", description=__doc__)
    parser.add_argument("--screenshot", type=Path, metavar="FILE", help="write the window there when done, and end")
    parser.add_argument("--model", default=MODEL, help="name or folder of the model (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    try:
        return _run(chosen.model, chosen.screenshot)
    except MedfreqError as error:
        return _fail(str(error))


def _run(model: str, screenshot: Path | None) -> int:
    import napari
    from qtpy.QtCore import QTimer

    viewer, dock = open_demo(model)
    status = 0 if screenshot is None else 1

    def finish(text: str | None = None) -> None:
        nonlocal status
        status = 0 if text is None else _fail(text)
        if text is None:
            _side_by_side(viewer, dock)
        if screenshot is not None:
            if text is None:
                viewer.screenshot(str(screenshot), canvas_only=False, flash=False)
            viewer.close()

    dock.controller.found.connect(lambda _: QTimer.singleShot(500, finish))
    if screenshot is not None:
        viewer.window.resize(1500, 950)
        dock.controller.said.connect(lambda text, error: finish(text) if error else None)
        watch = QTimer(dock)
        watch.setSingleShot(True)
        watch.timeout.connect(lambda: finish("The demo did not finish in ten minutes."))
        watch.start(_GIVE_UP_MS)
    QTimer.singleShot(0, dock.run_or_cancel)
    napari.run()
    return status


def _side_by_side(viewer: Viewer, dock: SegmentDock) -> None:
    """Show photograph, probability, uncertainty and mask beside each other."""
    from qtpy.QtWidgets import QApplication

    results = dock.controller.results
    for kind in ("probability", "uncertainty"):
        if results is not None and (layer := results.layer(kind)) is not None:
            layer.visible = True
    # Since napari 0.9 the grid belongs to the canvas.
    getattr(viewer, "canvas", viewer).grid.enabled = True
    # The cells get their size from the event loop; before that the view cannot be fitted to them.
    QApplication.processEvents()
    viewer.reset_view()
    QApplication.processEvents()


def _fail(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
