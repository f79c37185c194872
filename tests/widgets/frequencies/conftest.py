"""A Frequencies dock in a real viewer, with real child processes behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from napari_medfreq.jobs.host import ChildExecutor
from napari_medfreq.widgets.frequencies.dock import FrequenciesDock

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
def open_dock(viewer: Any, child: ChildExecutor) -> Callable[..., FrequenciesDock]:
    """Return what opens the dock in the viewer; it ends with the viewer. ``own_child`` leaves the children to it."""

    def make(*models: ModelFolder, own_child: bool = False) -> FrequenciesDock:
        lent = None if own_child else Lent(child)
        dock = FrequenciesDock(viewer, lent, lent, models=models)
        viewer.window.add_dock_widget(dock, name="Frequencies")
        # Docks in a window that is not shown get no size; clicks need one.
        dock.resize(380, 900)
        dock.bands.fan.resize(dock.bands.fan.sizeHint())
        return dock

    return make


@pytest.fixture
def analysed(qtbot: QtBot) -> Callable[..., Any]:
    """Return what waits until the dock has analysed what it looks at."""

    def wait(dock: FrequenciesDock) -> Any:
        qtbot.waitUntil(lambda: dock.controller.analysis is not None and not dock.controller.looking, timeout=PATIENCE)
        return dock.controller.analysis

    return wait
