"""Learning from a review in its dock: a real process that learns, followed, cancelled and ended with the window."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
from PIL import Image
from qtpy.QtCore import QProcess, Qt

from napari_medfreq.io.files import read
from napari_medfreq.io.model_config import LabelName
from napari_medfreq.io.review import RegionVoxels, ReviewRegion, new_case
from napari_medfreq.io.review_folder import ReviewFolder
from napari_medfreq.widgets.segment.dock import SegmentDock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_medfreq.io.models import ModelFolder
    from napari_medfreq.widgets.review.dock import ReviewDock
    from napari_medfreq.widgets.review.learn import LearnPanel

pytestmark = pytest.mark.gui
PATIENCE = 180_000


@pytest.fixture
def model(rgb_model: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelFolder:
    """A model in the list of models, and a place of the test's own for what is made of it."""
    monkeypatch.setenv("MEDFREQ_MODELS", os.pathsep.join([str(rgb_model.path.parent), str(tmp_path / "models")]))
    return rgb_model


def review_of(folder: Path, count: int, decided: int) -> Path:
    """Review pictures of a bright square whose mask is right; the first `decided` are accepted."""
    rng = np.random.default_rng(0)
    with ReviewFolder(folder / "review") as review:
        for number in range(count):
            row, column = (int(v) for v in rng.integers(4, 20, 2))
            mask = np.zeros((48, 48), np.uint8)
            mask[row : row + 20, column : column + 20] = 1
            pixels = rng.integers(0, 60, (48, 48, 3)) + 150 * mask[..., None]
            path = folder / f"square{number}.png"
            Image.fromarray(pixels.astype(np.uint8)).save(path)
            image = read(path)[0]
            case = new_case(path.stem, image, image.like(mask, kind="labels"), set(review.cases))
            bounds = ((row, row + 2), (column, column + 2))
            region = ReviewRegion(1, bounds, (row, column), 4, 4.0, "px", 1, 0.5, 1.0, 0.01, 1.0)
            regions = np.zeros((48, 48), np.int32)
            regions[row : row + 2, column : column + 2] = 1
            case = replace(
                case, labels=(LabelName(1, "square", "#e8a33d"),), regions=(region,), model={"name": "small-rgb"}
            )
            review.add(case, mask, RegionVoxels.of(regions, mask))
            if number < decided:
                review.set_state(case.id, 1, "accepted")
    return folder / "review"


@pytest.fixture
def panel_of(
    open_dock: Callable[[], ReviewDock], reopen: Callable[[ReviewDock, Path], None], model: ModelFolder, tmp_path: Path
) -> Callable[..., LearnPanel]:
    """Return what opens a review of pictures in a dock; returns the section."""

    def make(decided: int = 8, *options: str) -> LearnPanel:
        dock = open_dock()
        reopen(dock, review_of(tmp_path, 8, decided))
        places = ("-o", str(tmp_path / "models" / f"{model.name}-review1"), "--run", str(tmp_path / "run"))
        dock.learning.options = (*places, *options)
        assert dock.learning.model.currentText() == model.name
        return dock.learning

    return make


def test_a_better_model_is_offered_and_going_back_is_one_click(
    qtbot: QtBot, viewer: Any, panel_of: Callable[..., LearnPanel], model: ModelFolder
) -> None:
    panel = panel_of(8, "--steps", "40", "--rate", "1e-2")
    assert panel.button.text() == "Learn from 8 images"
    seen: list[str] = []
    panel.run.said.connect(seen.append)
    with qtbot.waitSignal(panel.run.ended, timeout=PATIENCE) as end:
        panel.button.click()
        assert panel.button.text() == "Cancel"
    assert end.args == [""]
    assert "learning" in seen
    assert "does better" in panel.message.text()
    name, images, before, after = (panel.table.item(0, column).text() for column in range(4))
    assert (name, images) == ("corrections, held out", "2")
    assert float(after) > float(before) + 0.1
    assert panel.table.isVisibleTo(panel)
    panel.use_button.click()
    (dock,) = [widget for widget in viewer.window.dock_widgets.values() if isinstance(widget, SegmentDock)]
    assert dock.form.chosen_model.name == f"{model.name}-review1"
    assert dock.form.chosen_model.version == "2"
    assert panel.model.currentText() == f"{model.name}-review1"  # what learns next
    assert panel.back_button.text() == f"Go back to {model.name}"
    panel.back_button.click()
    assert dock.form.chosen_model.name == model.name
    assert [widget for widget in viewer.window.dock_widgets.values() if isinstance(widget, SegmentDock)] == [dock]
    assert panel.model.findText(f"{model.name}-review1") >= 0
    assert panel.model.currentText() == model.name


def test_a_model_that_is_not_better_is_not_offered(qtbot: QtBot, panel_of: Callable[..., LearnPanel]) -> None:
    panel = panel_of(8, "--steps", "1", "--rate", "1e-12")
    with qtbot.waitSignal(panel.run.ended, timeout=PATIENCE):
        panel.button.click()
    assert "is not better than" in panel.message.text()
    assert "did not rise" in panel.message.text()
    assert not panel.use_button.isVisibleTo(panel)
    assert not panel.back_button.isVisibleTo(panel)
    assert panel.model.findText("review1", Qt.MatchFlag.MatchContains) < 0


def test_a_run_is_cancelled_at_once_and_ended_with_the_dock(
    qtbot: QtBot, viewer: Any, panel_of: Callable[..., LearnPanel]
) -> None:
    panel = panel_of(8, "--steps", "100000")
    run = panel.run
    with qtbot.waitSignal(run.told, timeout=PATIENCE, check_params_cb=lambda event: event["kind"] == "step"):
        panel.button.click()
    assert panel.bar.value() > 0
    began = time.monotonic()
    with qtbot.waitSignal(run.ended, timeout=PATIENCE):
        panel.button.click()
    assert time.monotonic() - began < 2
    assert "Cancelled" in panel.message.text()
    assert panel.button.text() == "Learn from 8 images"
    with qtbot.waitSignal(run.said, timeout=PATIENCE):
        panel.button.click()
    process = run.findChild(QProcess)
    pid = process.processId()
    assert psutil.pid_exists(pid)
    viewer.window.remove_dock_widget("all")
    assert not run.running
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_too_few_corrections_and_a_failure_are_said(qtbot: QtBot, panel_of: Callable[..., LearnPanel]) -> None:
    panel = panel_of(1)
    assert not panel.button.isEnabled()
    assert "at least 2 images first; 1 so far" in panel.message.text()
    session = panel._session
    session.set_state([row for row in session.rows if row.state == "open"], "accepted")
    assert panel.button.text() == "Learn from 8 images"
    assert panel.message.text() == ""
    panel.earlier.setText("nowhere.csv")
    with qtbot.waitSignal(panel.run.ended, timeout=PATIENCE):
        panel.button.click()
    assert "nowhere.csv" in panel.message.text()
    assert panel.button.isEnabled()
