"""The dock as its user meets it: clicks, keys and strokes in a real viewer, a real child process, real folders."""

from __future__ import annotations

import errno
import json
import os
import threading
from typing import TYPE_CHECKING, Any

import napari
import nibabel as nib
import numpy as np
import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QFileDialog

from napari_medfreq.io import atomic
from napari_medfreq.io.files import write
from napari_medfreq.io.review_folder import ReviewFolder
from napari_medfreq.widgets.review.dock import ReviewDock
from napari_medfreq.widgets.segment.dock import SegmentDock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_medfreq.io.models import ModelFolder
    from napari_medfreq.volume import Volume

    Scene = Any  # of conftest.py: image, labels, probability

pytestmark = pytest.mark.gui
PATIENCE = 60_000


def read_back(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """Masks and states of a review, as somebody else reads them."""
    with ReviewFolder(folder) as review:
        masks = {name: review.mask(name) for name in review.cases}
        states = {name: [review.state(name, r.number) for r in case.regions] for name, case in review.cases.items()}
    return masks, states


def stored(scene: Scene) -> np.ndarray:
    """The mask on screen, as its file would hold it."""
    return scene.labels.metadata["medfreq"].orientation.undo(np.asarray(scene.labels.data))


def paint(dock: ReviewDock, value: int | None = None) -> tuple[int, ...]:
    """Paint on the region under review with napari's brush; return where."""
    row = dock.session.current
    layer, (_, centre) = row.case.labels, row.case.bounds_on_screen(row.region)
    layer.brush_size = 4
    layer.paint(centre, (0 if layer.data[centre] else 1) if value is None else value)
    return centre


def press(dock: ReviewDock, viewer: Any, key: str) -> None:
    from napari.utils.key_bindings import coerce_keybinding

    viewer.keymap[coerce_keybinding(key)](viewer)


def test_review_from_begin_to_export(
    viewer: Any,
    open_dock: Callable[[], ReviewDock],
    from_file: Callable[..., Scene],
    begin: Callable[..., None],
    saved: Callable[[ReviewDock], None],
    qtbot: QtBot,
    tmp_path: Path,
) -> None:
    scene = from_file()
    dock = open_dock()
    begin(dock, tmp_path / "review")
    rows = dock.page.panel.table.model.shown
    assert len(rows) == 3
    assert [row.region.priority for row in rows] == sorted((row.region.priority for row in rows), reverse=True)
    assert dock.session.current is rows[0]
    assert viewer.layers.selection.active is scene.labels
    paint(dock)
    saved(dock)
    qtbot.waitUntil(lambda: rows[0].state == "corrected", timeout=PATIENCE)
    press(dock, viewer, "Shift+A")
    assert rows[0].state == "corrected"  # it was more than accepted
    assert dock.session.current is rows[1]
    press(dock, viewer, "Shift+A")
    press(dock, viewer, "Shift+F")
    assert [row.state for row in rows] == ["corrected", "accepted", "flagged"]
    assert "no open region left" in dock.page.foot.message.text()
    assert "1 of 3 regions left" in dock.page.panel.left.text()
    progress = dock.session.progress
    assert progress.now == pytest.approx(min(1, progress.before + rows[0].region.gain + rows[1].region.gain))
    assert "estimate" in dock.page.panel.dice.text()
    saved(dock)
    with qtbot.waitSignal(dock.controller.said, timeout=PATIENCE):
        dock.controller.export(rows[0].case, tmp_path / "mask.nii.gz")
    exported, original = nib.load(tmp_path / "mask.nii.gz"), nib.load(tmp_path / "scan0.nii.gz")
    np.testing.assert_allclose(exported.affine, original.affine, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(exported.dataobj).T, stored(scene))
    record = json.loads((tmp_path / "mask.nii.gz.provenance.json").read_text())
    assert record["edited"] is True
    assert record["model"]["name"] == "balls"
    assert record["review"] == {"open": 0, "corrected": 1, "accepted": 1, "flagged": 1}
    dock.page.close_button.click()
    masks, states = read_back(tmp_path / "review")
    np.testing.assert_array_equal(masks["scan0"], stored(scene))
    assert states["scan0"] == ["corrected", "accepted", "flagged"]
    assert [layer.name for layer in viewer.layers] == ["scan0", "scan0 probability", "scan0 labels"]


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
@pytest.mark.parametrize("ndisplay", [2, 3])
def test_the_view_goes_to_the_region_whatever_is_displayed(
    add_scene: Callable[[], Scene],
    viewer: Any,
    open_dock: Callable[[], ReviewDock],
    begin: Callable[..., None],
    order: tuple[int, ...],
    ndisplay: int,
) -> None:
    scene = add_scene()
    dock = open_dock()
    begin(dock)
    viewer.dims.order = order
    viewer.dims.ndisplay = ndisplay
    for row in dock.session.rows:
        dock.session.go(row)
        bounds, centre = row.case.bounds_on_screen(row.region)
        world = scene.labels.data_to_world(centre)
        displayed, hidden = viewer.dims.displayed, viewer.dims.not_displayed
        assert [viewer.dims.point[axis] for axis in hidden] == pytest.approx([world[axis] for axis in hidden], abs=1e-3)
        camera = viewer.scene.camera
        assert camera.center[-ndisplay:] == pytest.approx([world[axis] for axis in displayed], abs=1e-3)
        pixels = [camera.zoom * scene.labels.scale[axis] * (bounds[axis][1] - bounds[axis][0]) for axis in displayed]
        assert max(pixels) <= min(viewer.canvas.size)
        (outline,) = [layer for layer in viewer.layers if layer.name == "region under review"]
        inside = np.argwhere(np.asarray(outline.data) > 0)
        shown = np.array([scene.labels.world_to_data(outline.data_to_world(place)) for place in inside])
        doubtful = row.case.region_on_screen(row.region)
        expected = np.argwhere(doubtful) + [start for start, _ in bounds]
        # A voxel more all around in the slices that are shown, and none in the slices beside them.
        assert {tuple(p) for p in expected.tolist()} <= {tuple(p) for p in np.rint(shown).astype(int).tolist()}
        for axis in range(3):
            edge = 1 if axis in displayed else 0
            assert shown[:, axis].min() == pytest.approx(bounds[axis][0] - edge, abs=1e-3)
            assert shown[:, axis].max() == pytest.approx(bounds[axis][1] - 1 + edge, abs=1e-3)
        assert viewer.layers.selection.active is scene.labels


def test_strokes_undo_redo_fill_and_scripts_are_saved_and_undo_opens_a_region_again(
    add_scene: Callable[[], Scene],
    viewer: Any,
    open_dock: Callable[[], ReviewDock],
    begin: Callable[..., None],
    saved: Callable[[ReviewDock], None],
    qtbot: QtBot,
    tmp_path: Path,
) -> None:
    scene = add_scene()
    dock = open_dock()
    begin(dock, tmp_path / "review")
    row, before, layer = dock.session.current, stored(scene).copy(), scene.labels

    def check(state: str) -> None:
        saved(dock)
        qtbot.waitUntil(lambda: row.state == state, timeout=PATIENCE)
        np.testing.assert_array_equal(row.case.saved, stored(scene))

    paint(dock)
    check("corrected")
    layer.undo()
    np.testing.assert_array_equal(stored(scene), before)
    check("open")
    layer.redo()
    check("corrected")
    layer.fill((0, 0, 0), 3)
    check("corrected")
    layer.data[2, 3, :5] = 9  # a script
    layer.refresh()
    check("corrected")
    layer.n_edit_dimensions = 3
    paint(dock, 2)
    check("corrected")
    dock.page.close_button.click()
    masks, _ = read_back(tmp_path / "review")
    np.testing.assert_array_equal(masks["scan"], stored(scene))


def test_a_stroke_is_saved_while_the_button_is_down(
    add_scene: Callable[[], Scene],
    viewer: Any,
    open_dock: Callable[[], ReviewDock],
    begin: Callable[..., None],
    qtbot: QtBot,
    tmp_path: Path,
) -> None:
    scene = add_scene()
    dock = open_dock()
    begin(dock, tmp_path / "review")
    qtbot.waitUntil(lambda: dock.session.autosave.idle, timeout=PATIENCE)
    layer, case = scene.labels, dock.session.current.case
    plane = round(layer.world_to_data(viewer.dims.point)[0])
    layer.mode, layer.brush_size = "paint", 3
    layer._begin_stroke()
    layer._draw(7, (plane, 3, 3), (plane, 3, 30))
    qtbot.waitUntil(lambda: (case.saved == 7).sum() == (np.asarray(layer.data) == 7).sum() > 20, timeout=PATIENCE)
    layer._commit_stroke()


def test_a_review_comes_back_as_it_was(
    viewer: Any,
    open_dock: Callable[[], ReviewDock],
    from_file: Callable[..., Scene],
    begin: Callable[..., None],
    reopen: Callable[..., None],
    tmp_path: Path,
) -> None:
    scene = from_file()
    dock = open_dock()
    begin(dock, tmp_path / "review")
    place = paint(dock)
    world = scene.labels.data_to_world(place)
    dock.act("next")
    dock.act("flag")
    painted = stored(scene).copy()
    dock.page.close_button.click()  # nothing was waited for
    viewer.layers.clear()
    reopen(dock, tmp_path / "review")
    assert [row.state for row in dock.session.rows] == ["corrected", "flagged", "open"]
    case = dock.session.rows[0].case
    np.testing.assert_array_equal(case.now(), painted)
    np.testing.assert_allclose(case.labels.data_to_world(place), world, atol=1e-4)
    assert case.labels.get_color(1) == pytest.approx(scene.labels.get_color(1))
    assert dock.session.current.state == "open"
    assert {layer.name for layer in viewer.layers} == {"scan0", "scan0 labels", "region under review"}
    dock.page.close_button.click()
    assert not list(viewer.layers)


def test_an_image_that_is_open_already_is_used(
    add_scene: Callable[[], Scene],
    viewer: Any,
    open_dock: Callable[[], ReviewDock],
    begin: Callable[..., None],
    reopen: Callable[..., None],
    tmp_path: Path,
) -> None:
    scene = add_scene()  # from no file
    dock = open_dock()
    begin(dock, tmp_path / "review")
    dock.page.close_button.click()
    viewer.layers.remove(scene.labels)
    reopen(dock, tmp_path / "review")
    assert dock.session.rows[0].case.image is scene.image
    assert scene.image in viewer.layers


def test_several_images_make_one_queue_and_only_one_is_seen(
    viewer: Any,
    open_dock: Callable[[], ReviewDock],
    begin: Callable[..., None],
    from_file: Callable[..., Scene],
    tmp_path: Path,
) -> None:
    scenes = [from_file(1), from_file(2)]
    dock = open_dock()
    begin(dock, tmp_path / "review")
    assert dock.page.begin_button.text() == "Add to the review"
    begin(dock)
    rows = dock.page.panel.table.model.shown
    assert len(rows) == 6
    assert {row.case.id for row in rows} == {"scan1", "scan2"}
    for row in rows:
        dock.session.go(row)
        seen = [scene.labels.visible and scene.image.visible for scene in scenes]
        assert seen == [scene.labels is row.case.labels for scene in scenes]
    assert dock.page.form.labels.value is None  # both are under review
    dock.page.panel.table.case.value = "scan2"
    assert len(dock.page.panel.table.model.shown) == 4  # with the one where the user is
    viewer.layers.remove(scenes[0].labels)
    assert {row.case.id for row in dock.session.rows} == {"scan2"}
    assert "taken out of the viewer" in dock.page.foot.message.text()
    dock.page.close_button.click()
    assert scenes[0].image.visible
    assert set(read_back(tmp_path / "review")[0]) == {"scan1", "scan2"}


def test_keys_can_be_changed_are_remembered_and_are_given_back(
    viewer: Any, open_dock: Callable[[], ReviewDock]
) -> None:
    from napari.utils.key_bindings import coerce_keybinding

    def theirs(_viewer: Any) -> None:
        pass

    viewer.bind_key("Shift+N", theirs)
    dock = open_dock()
    assert viewer.keymap[coerce_keybinding("Shift+N")] is not theirs
    edit = dock.page.keys_form.edits["next"]
    edit.setKeySequence(QKeySequence("Ctrl+Shift+K"))
    edit.editingFinished.emit()
    assert viewer.keymap[coerce_keybinding("Shift+N")] is theirs
    assert coerce_keybinding("Ctrl+Shift+K") in viewer.keymap
    assert "Ctrl+Shift+K" in dock.page.panel.buttons["next"].toolTip()
    viewer.window.remove_dock_widget(dock)
    assert list(viewer.keymap) == [coerce_keybinding("Shift+N")]
    again = open_dock()
    assert coerce_keybinding("Ctrl+Shift+K") in viewer.keymap
    assert again.page.keys_form.keys["next"] == "Ctrl+Shift+K"


def test_closing_the_dock_leaves_nothing_behind(
    viewer: Any,
    open_dock: Callable[[], ReviewDock],
    from_file: Callable[..., Scene],
    begin: Callable[..., None],
    tmp_path: Path,
) -> None:
    scene = from_file()
    threads, layers = set(threading.enumerate()), list(viewer.layers)
    callbacks = {name: len(emitter.callbacks) for name, emitter in scene.labels.events.emitters.items()}
    listeners = (len(viewer.layers.events.removed.callbacks), len(viewer.dims.events.ndisplay.callbacks))
    dock = open_dock()
    begin(dock, tmp_path / "review")
    paint(dock)
    timers = dock.findChildren(QTimer)
    viewer.window.remove_dock_widget(dock)
    assert list(viewer.layers) == layers
    assert not viewer.keymap
    assert not any(timer.isActive() for timer in timers)
    left = {thread.name for thread in set(threading.enumerate()) - threads if "review" in thread.name}
    assert not left
    now = {name: len(emitter.callbacks) for name, emitter in scene.labels.events.emitters.items()}
    assert {name: (now[name], count) for name, count in callbacks.items() if now[name] > count} == {}
    assert (len(viewer.layers.events.removed.callbacks), len(viewer.dims.events.ndisplay.callbacks)) == listeners
    masks, _ = read_back(tmp_path / "review")  # it is unlocked, and the stroke is there
    np.testing.assert_array_equal(masks["scan0"], stored(scene))


def test_two_viewers_do_not_write_into_one_folder(
    viewer: Any,
    open_dock: Callable[[], ReviewDock],
    from_file: Callable[..., Scene],
    begin: Callable[..., None],
    reopen: Callable[..., None],
    lent: Any,
    tmp_path: Path,
) -> None:
    from_file()
    first = open_dock()
    begin(first, tmp_path / "review")
    other = napari.Viewer(show=False)
    try:
        second = ReviewDock(other, lent)
        other.window.add_dock_widget(second, name="Review")
        reopen(second, tmp_path / "review")
        assert second.session is None
        assert "is open for review in another window" in second.page.foot.message.text()
        first.page.close_button.click()
        reopen(second, tmp_path / "review")
        assert len(second.session.rows) == 3
    finally:
        other.close()


def fail_with(number: int) -> Callable[[int], None]:
    def fsync(_file: int) -> None:
        raise OSError(number, os.strerror(number))

    return fsync


def test_a_full_disk_is_said_and_what_waits_is_saved_when_there_is_room_again(
    add_scene: Callable[[], Scene],
    viewer: Any,
    open_dock: Callable[[], ReviewDock],
    begin: Callable[..., None],
    saved: Callable[[ReviewDock], None],
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = add_scene()
    dock = open_dock()
    begin(dock, tmp_path / "review")
    saved(dock)
    before = {path: path.read_bytes() for path in (tmp_path / "review").rglob("*.*")}
    with monkeypatch.context() as full:
        full.setattr(atomic.os, "fsync", fail_with(errno.ENOSPC))
        with qtbot.waitSignal(dock.session.autosave.failed, timeout=PATIENCE):
            paint(dock)
        assert "the disk is full" in dock.page.foot.saved.text()
        assert "do not close the window" in dock.page.foot.saved.text()
        dock.act("flag")
        assert {path: path.read_bytes() for path in before} == before
    saved(dock)
    assert "All changes saved" in dock.page.foot.saved.text()
    dock.page.close_button.click()
    masks, states = read_back(tmp_path / "review")
    np.testing.assert_array_equal(masks["scan"], stored(scene))
    assert "flagged" in states["scan"]


def test_what_cannot_be_saved_at_the_end_stays_on_screen(
    viewer: Any,
    open_dock: Callable[[], ReviewDock],
    from_file: Callable[..., Scene],
    begin: Callable[..., None],
    reopen: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from_file()
    dock = open_dock()
    begin(dock, tmp_path / "review")
    dock.page.close_button.click()
    viewer.layers.clear()
    reopen(dock, tmp_path / "review")
    monkeypatch.setattr(atomic.os, "fsync", fail_with(errno.ENOSPC))
    paint(dock)
    labels = dock.session.current.case.labels
    dock.page.close_button.click()
    assert labels in viewer.layers
    assert "still in its layers" in dock.page.foot.message.text()


def test_a_folder_that_cannot_be_written_is_said(
    add_scene: Callable[[], Scene],
    viewer: Any,
    open_dock: Callable[[], ReviewDock],
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_scene()
    dock = open_dock()
    monkeypatch.setattr(atomic.os, "fsync", fail_with(errno.EROFS))
    dock.page.folder.line.setText(str(tmp_path / "review"))
    with qtbot.waitSignal(dock.controller.said, timeout=PATIENCE):
        dock.page.begin_button.click()
    assert "no permission to write there" in dock.page.foot.message.text()
    assert dock.session is None
    assert dock.page.begin_button.isEnabled()


def test_a_review_of_a_newer_version_is_left_alone(
    viewer: Any, open_dock: Callable[[], ReviewDock], reopen: Callable[..., None], tmp_path: Path
) -> None:
    about = tmp_path / "review" / "review.json"
    about.parent.mkdir()
    about.write_text(json.dumps({"format": 99, "program": "napari-medfreq 9.0"}))
    dock = open_dock()
    reopen(dock, tmp_path / "review")
    assert "made by a newer version (napari-medfreq 9.0) and was not touched" in dock.page.foot.message.text()
    assert [path.name for path in about.parent.iterdir()] == ["review.json"]


def test_a_review_is_not_begun_over_another_one(
    add_scene: Callable[[], Scene],
    viewer: Any,
    open_dock: Callable[[], ReviewDock],
    begin: Callable[..., None],
    qtbot: QtBot,
    tmp_path: Path,
) -> None:
    add_scene()
    dock = open_dock()
    begin(dock, tmp_path / "review")
    dock.page.close_button.click()
    with qtbot.waitSignal(dock.controller.said, timeout=PATIENCE):
        dock.page.begin_button.click()
    assert "holds a review already" in dock.page.foot.message.text()


def test_a_changed_image_is_refused_and_its_review_stays(
    scan: Callable[..., Volume],
    viewer: Any,
    open_dock: Callable[[], ReviewDock],
    from_file: Callable[..., Scene],
    begin: Callable[..., None],
    reopen: Callable[..., None],
    tmp_path: Path,
) -> None:
    from_file(1)
    dock = open_dock()
    begin(dock, tmp_path / "review")
    paint(dock)
    dock.page.close_button.click()
    before = read_back(tmp_path / "review")
    viewer.layers.clear()
    changed = scan(1)
    changed.data[0, 0, 0] += 1
    write(changed, tmp_path / "scan1.nii.gz")
    reopen(dock, tmp_path / "review")
    assert "has changed since the review" in dock.page.foot.message.text()
    assert not dock.session.rows
    assert not list(viewer.layers)
    dock.controller.close_review()
    np.testing.assert_array_equal(read_back(tmp_path / "review")[0]["scan1"], before[0]["scan1"])


def test_an_image_that_was_moved_is_asked_for(
    viewer: Any,
    open_dock: Callable[[], ReviewDock],
    from_file: Callable[..., Scene],
    begin: Callable[..., None],
    reopen: Callable[..., None],
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from_file()
    dock = open_dock()
    begin(dock, tmp_path / "review")
    dock.page.close_button.click()
    viewer.layers.clear()
    (tmp_path / "scan0.nii.gz").rename(tmp_path / "elsewhere.nii.gz")
    answers = [str(tmp_path / "elsewhere.nii.gz"), ""]
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (answers.pop(), ""))
    reopen(dock, tmp_path / "review")
    assert "is not there" in dock.page.foot.message.text()  # the user closed the dialog
    assert not dock.session.rows
    reopen(dock, tmp_path / "review")
    qtbot.waitUntil(lambda: dock.session is not None and len(dock.session.rows) == 3, timeout=PATIENCE)


def test_what_the_segment_dock_made_is_chosen_by_itself(
    viewer: Any,
    open_dock: Callable[[], ReviewDock],
    begin: Callable[..., None],
    rgb_model: ModelFolder,
    lent: Any,
    qtbot: QtBot,
) -> None:
    from napari_medfreq.volume import Volume
    from napari_medfreq.widgets.layers import layers_of

    pixels = np.random.default_rng(0).integers(0, 255, (3, 96, 104), dtype=np.uint8)
    photo = Volume(pixels, axes="cyx", channels=("red", "green", "blue"), name="photo", calibrated=False)
    (source,) = [viewer.add_layer(layer) for layer in layers_of(photo)]
    segment = SegmentDock(viewer, lent, models=[rgb_model])
    viewer.window.add_dock_widget(segment, name="Segment")
    segment.form.passes.value, segment.form.device.value = 2, "cpu"
    with qtbot.waitSignal(segment.controller.found, timeout=PATIENCE):
        segment.button.click()
    dock = open_dock()
    choice = dock.page.form.choice()
    assert choice.image is source
    assert [choice.labels.name, choice.probability[0].name] == ["photo labels", "photo probability"]
    assert choice.uncertainty.name == "photo uncertainty"
    begin(dock)
    assert dock.session.rows[0].case.case.model["sha256"] == rgb_model.sha256
    assert dock.session.rows[0].region.size_unit == "px"
    assert dock.session.path.parent.name == "reviews"


def test_what_does_not_fit_is_said(
    add_scene: Callable[[], Scene], viewer: Any, open_dock: Callable[[], ReviewDock], qtbot: QtBot
) -> None:
    dock = open_dock()
    dock.page.begin_button.click()
    assert "Segment an image first" in dock.page.foot.message.text()
    scene = add_scene()
    wild = viewer.add_image(np.full(scene.labels.data.shape, 7.5, np.float32), scale=scene.labels.scale)
    wild.translate, wild.units = scene.labels.translate, scene.labels.units
    dock.page.form.probability.reset_choices()
    dock.page.form.probability.value = (wild,)
    with qtbot.waitSignal(dock.controller.said, timeout=PATIENCE):
        dock.page.begin_button.click()
    assert "values from 0 to 7.5" in dock.page.foot.message.text()


def test_rows_are_marked_by_the_menu_and_by_clicks(
    add_scene: Callable[[], Scene], viewer: Any, open_dock: Callable[[], ReviewDock], begin: Callable[..., None]
) -> None:
    add_scene()
    dock = open_dock()
    begin(dock)
    table, session = dock.page.panel.table, dock.session
    view = table.view
    place = view.visualRect(table.model.index(2, 0)).center()
    from qtpy.QtTest import QTest

    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
    assert session.current is table.model.shown[2]
    dock.act("previous")
    assert session.current is table.model.shown[1]
    table.state_asked.emit(list(table.model.shown), "accepted")
    assert {row.state for row in session.rows} == {"accepted"}
    assert session.progress.left == 0
