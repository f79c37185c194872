"""A dock in a real viewer, with a real child process behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from napari_medfreq.jobs.host import ChildExecutor
from napari_medfreq.widgets.segment.dock import SegmentDock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytestqt.qtbot import QtBot

    from napari_medfreq.io.models import ModelFolder

# A child process that starts on a busy machine, with torch, takes its time.
PATIENCE = 90_000


@pytest.fixture
def open_dock(viewer: Any) -> Callable[..., SegmentDock]:
    """Return what opens the dock in the viewer; it ends with the viewer."""

    def make(*models: ModelFolder) -> SegmentDock:
        dock = SegmentDock(viewer, ChildExecutor(), models=models)
        viewer.window.add_dock_widget(dock, name="Segment")
        dock.form.passes.value = 2
        dock.form.device.value = "cpu"
        return dock

    return make


@pytest.fixture
def segment(qtbot: QtBot) -> Iterator[Callable[[SegmentDock], Any]]:
    """Return what clicks Segment and waits for the result."""

    def click(dock: SegmentDock) -> Any:
        with qtbot.waitSignal(dock.controller.found, timeout=PATIENCE) as signal:
            dock.button.click()
        return signal.args[0]

    return click
