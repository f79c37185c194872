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


class Lent:
    """A child process that several docks use in turn: closing a dock gives it back."""

    def __init__(self, executor: ChildExecutor) -> None:
        self.submit, self.warm_up = executor.submit, executor.warm_up

    def shutdown(self) -> None:
        pass


@pytest.fixture(scope="module")
def child() -> Iterator[ChildExecutor]:
    """One child for the tests that neither kill it nor look for what it leaves behind: each start imports torch."""
    with ChildExecutor() as executor:
        yield executor


@pytest.fixture
def open_dock(viewer: Any, child: ChildExecutor) -> Callable[..., SegmentDock]:
    """Return what opens the dock in the viewer; it ends with the viewer. ``own_child`` leaves the child to the dock."""

    def make(*models: ModelFolder, own_child: bool = False) -> SegmentDock:
        dock = SegmentDock(viewer, None if own_child else Lent(child), models=models)
        viewer.window.add_dock_widget(dock, name="Segment")
        dock.form.passes.value = 2
        dock.form.device.value = "cpu"
        return dock

    return make


@pytest.fixture
def segment(qtbot: QtBot) -> Callable[[SegmentDock], Any]:
    """Return what clicks Segment and waits for the result."""

    def click(dock: SegmentDock) -> Any:
        with qtbot.waitSignal(dock.controller.found, timeout=PATIENCE) as signal:
            dock.button.click()
        return signal.args[0]

    return click
