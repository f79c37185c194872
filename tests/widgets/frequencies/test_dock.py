"""The dock as its user meets it: clicks in a real viewer, real transforms and networks in a real child process."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
from napari.layers import Image, Labels
from qtpy.QtCore import QPointF, Qt

from napari_medfreq.io.coefficients import read_coefficients
from napari_medfreq.transforms.bands import BandKey
from napari_medfreq.volume import Volume
from napari_medfreq.widgets.frequencies.fan import HINT
from napari_medfreq.widgets.layers import layers_of

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_medfreq.io.models import ModelFolder
    from napari_medfreq.widgets.frequencies.dock import FrequenciesDock

pytestmark = pytest.mark.gui
PATIENCE = 90_000
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
KEY = BandKey(2, 1)

OpenDock = Any


def texture(*shape: int) -> np.ndarray:
    return (np.random.default_rng(0).random(shape, dtype=np.float32) * 100).astype(np.float32)


def scan(slices: int = 12, side: int = 64) -> Volume:
    affine = np.array([[0, 0, 2.5, 10], [-0.8, 0, 0, 20], [0, 1.2, 0, -30], [0, 0, 0, 1.0]])
    return Volume(texture(slices, side, side + 8), affine, channels=("t1",), name="scan")


def photo(side: int = 96) -> Volume:
    pixels = np.random.default_rng(0).integers(0, 255, (3, side, side + 8), dtype=np.uint8)
    return Volume(pixels, axes="cyx", channels=("red", "green", "blue"), name="photo", calibrated=False)


def add(viewer: Any, volume: Volume) -> Any:
    return next(viewer.add_layer(layer) for layer in layers_of(volume))


def click(qtbot: QtBot, dock: FrequenciesDock, key: BandKey, modifier: Any = NONE) -> None:
    fan = dock.bands.fan
    qtbot.mouseClick(fan, LEFT, modifier, fan.point_of(key).toPoint())


def after_change(qtbot: QtBot, dock: FrequenciesDock) -> Any:
    return qtbot.waitSignal(dock.controller.changed, timeout=PATIENCE)


def energy(pixels: Any) -> float:
    return float(np.square(np.asarray(pixels, dtype=np.float64)).sum())


def offered(dock: FrequenciesDock) -> list[Any]:
    return [layer for layer in dock.form.image.choices if layer is not None]


@pytest.fixture
def picture(viewer: Any) -> Image:
    return viewer.add_image(texture(96, 128), name="picture")


def test_a_click_mutes_a_band_and_a_second_click_gives_it_back(
    viewer: Any, open_dock: OpenDock, analysed: Any, picture: Image, qtbot: QtBot
) -> None:
    dock = open_dock()
    analysed(dock)
    with after_change(qtbot, dock):
        click(qtbot, dock, KEY)
    assert [layer.name for layer in viewer.layers] == ["picture", "picture · bands"]
    changed = viewer.layers[1]
    assert changed.data.shape == picture.data.shape
    lost = energy(picture.data) - energy(changed.data)
    share = next(band.energy for band in dock.controller.analysis.bands if band.key == KEY)
    assert lost == pytest.approx(share, rel=0.35)
    with after_change(qtbot, dock):
        click(qtbot, dock, KEY)
    np.testing.assert_allclose(changed.data, picture.data, atol=1e-3)
    assert viewer.layers.selection.active is picture


def test_both_halves_of_a_band_are_one(open_dock: OpenDock, analysed: Any, picture: Image, qtbot: QtBot) -> None:
    dock = open_dock()
    analysed(dock)
    fan = dock.bands.fan
    for band in dock.controller.analysis.layout[1:]:
        point = fan.point_of(band.key)
        centre = fan.point_of(BandKey(0, 0))
        assert fan.band_at(point) == band.key
        assert fan.band_at(2 * centre - point) == band.key
    assert fan.band_at(QPointF(1, 1)) is None
    tip = fan.tip(KEY)
    for word in ("2:1", "°", "cycles/px", "%", "px"):
        assert word in tip
    assert "Click" in HINT


def test_shift_click_leaves_one_band_and_ctrl_click_selects(
    viewer: Any, open_dock: OpenDock, analysed: Any, picture: Image, qtbot: QtBot
) -> None:
    dock = open_dock()
    analysed(dock)
    click(qtbot, dock, KEY, Qt.KeyboardModifier.ControlModifier)
    click(qtbot, dock, BandKey(3, 2), Qt.KeyboardModifier.ControlModifier)
    assert dock.bands.fan.chosen == (KEY, BandKey(3, 2))
    assert not dock.controller.gains.gains
    with after_change(qtbot, dock):
        click(qtbot, dock, KEY, Qt.KeyboardModifier.ShiftModifier)
    muted = dock.controller.gains.gains
    assert KEY not in muted
    assert len(muted) == len(dock.controller.analysis.bands) - 1
    low, high = viewer.layers[1].contrast_limits
    assert low == -high  # without its low-pass band an image lies around 0
    assert abs(float(viewer.layers[1].data.mean())) < 1


def test_slider_and_spin_boost_and_ctrl_z_takes_it_back(
    viewer: Any, open_dock: OpenDock, analysed: Any, picture: Image, qtbot: QtBot
) -> None:
    dock = open_dock()
    analysed(dock)
    panel, gains = dock.bands, dock.controller.gains
    panel.fan.set_current(KEY)
    with after_change(qtbot, dock):
        panel.spin.setValue(6.0)
    assert gains.gain(KEY) == pytest.approx(1.995, abs=1e-3)
    assert energy(viewer.layers[1].data) > energy(picture.data)
    panel.slider.setValue(panel.slider.minimum())
    assert gains.gain(KEY) == 0
    assert panel.spin.text() == "muted"
    panel.undo.click()
    assert gains.gain(KEY) == pytest.approx(1.995, abs=1e-3)
    panel.fan.setFocus()
    panel.undo.click()
    assert not gains.gains
    panel.redo.click()
    assert gains.gain(KEY) == pytest.approx(1.995, abs=1e-3)
    panel.reset.click()
    assert not gains.gains


def test_the_keyboard_walks_mutes_solos_and_boosts(
    open_dock: OpenDock, analysed: Any, picture: Image, qtbot: QtBot
) -> None:
    dock = open_dock()
    analysed(dock)
    fan, gains = dock.bands.fan, dock.controller.gains
    fan.set_current(BandKey(1, 0))
    qtbot.keyClick(fan, Qt.Key.Key_Right)
    assert fan.current == BandKey(1, 1)
    qtbot.keyClick(fan, Qt.Key.Key_Up)
    assert fan.current == BandKey(2, 1)
    qtbot.keyClick(fan, Qt.Key.Key_Space)
    assert gains.gains == {KEY: 0.0}
    qtbot.keyClick(fan, Qt.Key.Key_Space)
    qtbot.keyClick(fan, Qt.Key.Key_Plus)
    assert gains.gain(KEY) > 1.4
    qtbot.keyClick(fan, Qt.Key.Key_S)
    assert len(gains.gains) == len(gains.layout) - 1
    for _ in range(3):
        qtbot.keyClick(fan, Qt.Key.Key_Down)
    assert fan.current == BandKey(0, 0)


def test_presets_are_offered_and_the_menu_acts_on_the_selected_bands(
    open_dock: OpenDock, analysed: Any, picture: Image, qtbot: QtBot
) -> None:
    dock = open_dock()
    analysed(dock)
    actions = {action.text(): action for action in dock.bands.preset.menu().actions()}
    actions["Low-pass only"].trigger()
    assert dock.controller.gains.gain(BandKey(0, 0)) == 1
    assert dock.controller.gains.gain(KEY) == 0
    actions["As it is"].trigger()
    click(qtbot, dock, KEY, Qt.KeyboardModifier.ControlModifier)
    menu = {action.text(): action for action in dock.bands.menu().actions()}
    menu["Double (+6 dB)"].trigger()
    assert dock.controller.gains.gains == {KEY: 2.0}


def test_of_many_changes_in_a_row_the_last_one_stays(
    viewer: Any, open_dock: OpenDock, analysed: Any, picture: Image, qtbot: QtBot
) -> None:
    dock = open_dock()
    analysed(dock)
    click(qtbot, dock, KEY)
    click(qtbot, dock, KEY)
    assert not dock.controller.following  # nothing is changed any more, so nothing is to be shown
    with after_change(qtbot, dock):
        click(qtbot, dock, BandKey(3, 3))
    answers: list[int] = []
    dock.controller.changed.connect(lambda: answers.append(1))
    dock.bands.fan.set_current(KEY)
    for steps in range(-60, 20):
        dock.bands.slider.setValue(steps)
    dock.bands.reset.click()
    qtbot.waitUntil(lambda: bool(answers) and not dock.controller.following, timeout=PATIENCE)
    assert len(answers) < 40  # what was superseded was not computed
    np.testing.assert_allclose(viewer.layers[1].data, picture.data, atol=1e-3)
    dock.bands.undo.click()
    assert dock.controller.gains.gain(KEY) == pytest.approx(10 ** (9.5 / 20))


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1)], ids=["axial", "coronal", "sagittal"])
def test_the_changed_layer_follows_the_slice_on_any_plane(
    viewer: Any, open_dock: OpenDock, analysed: Any, qtbot: QtBot, order: tuple[int, ...]
) -> None:
    source = add(viewer, scan(24, 48))
    dock = open_dock()
    viewer.dims.order = order
    analysed(dock)
    with after_change(qtbot, dock):
        dock.controller.gains.toggle_mute(KEY)
    changed = viewer.layers[1]
    for step in (3, 9):
        viewer.dims.set_current_step(order[0], step)
        qtbot.waitUntil(lambda step=step: lies_on(source, changed, order[0], step), timeout=PATIENCE)
        assert changed.data.shape[order[0]] == 1
        plane = np.take(source.data, [step], axis=order[0])
        assert np.corrcoef(plane.ravel(), np.asarray(changed.data).ravel())[0, 1] > 0.9


def lies_on(source: Any, changed: Any, axis: int, step: int) -> bool:
    index = [0, 0, 0]
    index[axis] = step
    if changed.data.shape[axis] != 1:
        return False
    return bool(np.allclose(changed.data_to_world((0, 0, 0)), source.data_to_world(index)))


def test_a_deleted_layer_comes_back_with_the_next_change_and_a_replaced_one_is_left_alone(
    viewer: Any, open_dock: OpenDock, analysed: Any, picture: Image, qtbot: QtBot
) -> None:
    dock = open_dock()
    analysed(dock)
    with after_change(qtbot, dock):
        click(qtbot, dock, KEY)
    viewer.layers[1].name = "mine now"
    with after_change(qtbot, dock):
        click(qtbot, dock, BandKey(3, 0))
    assert len(viewer.layers) == 2  # known by what it is, not by its name
    theirs = viewer.layers[1]
    drawn = np.full(picture.data.shape, 7, np.float32)
    theirs.data = drawn
    with after_change(qtbot, dock):
        click(qtbot, dock, BandKey(3, 1))
    assert theirs in viewer.layers
    assert theirs.data is drawn
    assert (drawn == 7).all()
    ours = dock.controller.layer.layer
    assert ours is not theirs
    viewer.layers.remove(ours)
    with after_change(qtbot, dock):
        click(qtbot, dock, BandKey(3, 1))
    assert dock.controller.layer.layer in viewer.layers
    assert theirs in viewer.layers


def test_the_changed_layer_cannot_be_chosen_and_the_chooser_follows_the_viewer(
    viewer: Any, open_dock: OpenDock, analysed: Any, picture: Image, qtbot: QtBot
) -> None:
    dock = open_dock()
    analysed(dock)
    with after_change(qtbot, dock):
        click(qtbot, dock, KEY)
    assert offered(dock) == [picture]
    other = viewer.add_image(texture(64, 64), name="other")
    viewer.add_labels(np.zeros((64, 64), int))
    assert set(offered(dock)) == {other, picture}
    dock.form.choose_layer(other)
    qtbot.waitUntil(lambda: dock.controller.shown is not None and not dock.controller.looking, timeout=PATIENCE)
    viewer.layers.remove(other)
    assert dock.form.image.value is picture
    viewer.layers.clear()
    assert dock.controller.view is None
    assert "Open an image" in dock.message.text()


def test_new_data_of_the_image_are_followed(
    viewer: Any, open_dock: OpenDock, analysed: Any, picture: Image, qtbot: QtBot
) -> None:
    dock = open_dock()
    before = analysed(dock)
    with after_change(qtbot, dock):
        click(qtbot, dock, KEY)
    with after_change(qtbot, dock):
        picture.data = 3 * picture.data
    assert dock.controller.analysis.bands[1].energy == pytest.approx(9 * before.bands[1].energy, rel=1e-3)
    assert np.corrcoef(viewer.layers[1].data.ravel(), picture.data.ravel())[0, 1] > 0.8
    assert dock.controller.gains.gains == {KEY: 0.0}


@pytest.mark.parametrize("transform", ["nonsubsampled", "wavelet", "dct", "block-dct", "fourier"])
def test_every_transform_is_shown_and_changes_the_image(
    viewer: Any, open_dock: OpenDock, analysed: Any, picture: Image, qtbot: QtBot, transform: str
) -> None:
    dock = open_dock()
    analysed(dock)
    dock.form.transform.value = transform
    analysis = analysed(dock)
    assert analysis.options.transform == transform
    key = analysis.layout[-1].key
    assert dock.bands.fan.band_at(dock.bands.fan.point_of(key)) == key
    with after_change(qtbot, dock):
        click(qtbot, dock, key)
    assert np.abs(viewer.layers[1].data - picture.data).max() > 0
    assert sum(band.share for band in analysis.bands) == pytest.approx(1)


def test_a_volume_can_be_taken_as_a_whole(viewer: Any, open_dock: OpenDock, analysed: Any, qtbot: QtBot) -> None:
    source = add(viewer, scan(16, 32))
    dock = open_dock()
    analysed(dock)
    dock.form.transform.value = "wavelet"
    dock.form.scales.value = 1
    dock.form.scope.value = "volume"
    analysis = analysed(dock)
    assert {len(band.name) for band in analysis.layout} == {3}
    with after_change(qtbot, dock):
        dock.controller.gains.toggle_mute(analysis.layout[-1].key)
    changed = dock.controller.layer.layer
    assert changed.data.shape == source.data.shape
    np.testing.assert_allclose(changed.scale, source.scale)
    assert np.corrcoef(np.asarray(changed.data).ravel(), source.data.ravel())[0, 1] > 0.8


def test_bands_become_layers_exactly_on_the_image(
    viewer: Any, open_dock: OpenDock, analysed: Any, qtbot: QtBot
) -> None:
    source = add(viewer, scan(12, 64))
    dock = open_dock()
    analysed(dock)
    low = BandKey(0, 0)
    dock.bands.fan.set_current(low)
    dock.bands.layers_asked.emit("component")
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=PATIENCE)
    dock.bands.layers_asked.emit("coefficients")
    qtbot.waitUntil(lambda: len(viewer.layers) == 3, timeout=PATIENCE)
    component, small = viewer.layers[1:]
    place = dock.controller.shown.position[0]
    np.testing.assert_allclose(component.data_to_world((0, 5, 6)), source.data_to_world((place, 5, 6)))
    assert component.data.shape == (1, *source.data.shape[1:])
    ratio = np.asarray(small.scale) / np.asarray(source.scale)
    np.testing.assert_allclose(ratio, (1, 8, 8))
    # The outer edges of decimated pixels lie on those of the image, to within a coarse pixel.
    corner = source.world_to_data(small.data_to_world((0, -0.5, -0.5)))
    np.testing.assert_allclose(corner, (place, -0.5, -0.5), atol=4)


def test_spectra_of_several_layers_are_plotted_with_units(
    viewer: Any, open_dock: OpenDock, analysed: Any, qtbot: QtBot
) -> None:
    add(viewer, scan(12, 64))
    dock = open_dock()
    analysed(dock)
    with after_change(qtbot, dock):
        dock.controller.gains.apply_preset("Low-pass only")
    page = dock.spectra
    page.reset_choices()
    assert len(page.ticked()) == 2
    page.ask()
    qtbot.waitUntil(lambda: len(page.spectra) == 2, timeout=PATIENCE)
    changed, whole = page.spectra
    assert whole.unit == "cycles/mm"
    assert changed.power[-1] < 0.1 * whole.power[-1]
    assert len(page.plot.getPlotItem().listDataItems()) == 2
    assert "cycles/mm" in page.plot.getAxis("bottom").labelText
    assert "wavelength 4 mm" in page.wavelength_at(0.25)


def test_what_the_model_listens_to_and_needs(
    viewer: Any, open_dock: OpenDock, analysed: Any, rgb_model: ModelFolder, qtbot: QtBot
) -> None:
    add(viewer, photo())
    dock = open_dock(rgb_model)
    analysed(dock)
    dock.form.transform.value = "wavelet"
    dock.form.scales.value = 1
    analysis = analysed(dock)
    with qtbot.waitSignal(dock.questions.listened, timeout=PATIENCE) as signal:
        dock.model.listen_button.click()
    listening = signal.args[0]
    assert listening.model == rgb_model.title
    assert dock.model.listening.table.rowCount() == len({(v.stride, v.scale) for v in listening.votes})
    with qtbot.waitSignals([dock.questions.dice_known, dock.questions.needs_known], timeout=PATIENCE):
        dock.model.needs_button.click()
    view = dock.model.needs
    assert set(view.dice) == {band.key for band in analysis.layout}
    assert all(0 <= dice <= 1 for dice in view.dice.values())
    shown = [float(view.table.item(row, 3).text()) for row in range(view.table.rowCount())]
    assert shown == sorted(shown)


def test_needs_can_be_cancelled_and_asked_again(
    viewer: Any, open_dock: OpenDock, analysed: Any, rgb_model: ModelFolder, qtbot: QtBot
) -> None:
    add(viewer, photo())
    dock = open_dock(rgb_model)
    analysed(dock)
    with qtbot.waitSignal(dock.questions.dice_known, timeout=PATIENCE):
        dock.model.needs_button.click()
    dock.cancel_button.click()
    assert not dock.questions.busy
    known = dict(dock.model.needs.dice)
    assert len(known) < len(dock.controller.analysis.layout)
    with qtbot.waitSignal(dock.questions.dice_known, timeout=PATIENCE):
        dock.model.needs_button.click()
    dock.cancel_button.click()


def test_the_changed_image_is_segmented_and_followed_with_one_result(
    viewer: Any, open_dock: OpenDock, analysed: Any, rgb_model: ModelFolder, qtbot: QtBot
) -> None:
    add(viewer, photo())
    dock = open_dock(rgb_model)
    analysed(dock)
    dock.model.segment_button.click()
    assert "Mute or boost" in dock.message.text()
    with after_change(qtbot, dock):
        click(qtbot, dock, KEY)
    with qtbot.waitSignal(dock.questions.segmented, timeout=PATIENCE):
        dock.model.segment_button.click()
    first = list(viewer.layers)
    assert sum(isinstance(layer, Labels) for layer in first) == 1
    with qtbot.waitSignal(dock.questions.segmented, timeout=PATIENCE):
        dock.model.follow.setChecked(True)
    with qtbot.waitSignal(dock.questions.segmented, timeout=PATIENCE):
        click(qtbot, dock, BandKey(3, 3))
    qtbot.waitUntil(lambda: not dock.questions.busy, timeout=PATIENCE)
    assert sum(isinstance(layer, Labels) for layer in viewer.layers) == 1
    assert len(viewer.layers) == len(first)


def test_coefficients_and_table_are_saved(
    open_dock: OpenDock, analysed: Any, picture: Image, qtbot: QtBot, tmp_path: Path
) -> None:
    dock = open_dock()
    analysis = analysed(dock)
    with qtbot.waitSignal(dock.maker.said, timeout=PATIENCE) as signal:
        dock.maker.save_coefficients(tmp_path / "bands.npz")
    assert signal.args == ["Saved bands.npz.", False]
    parts, _ = read_coefficients(tmp_path / "bands.npz")
    assert set(parts) == {band.key for band in analysis.layout}
    with qtbot.waitSignal(dock.maker.said, timeout=PATIENCE):
        dock.save_table(tmp_path / "bands.csv")
    assert len((tmp_path / "bands.csv").read_text().splitlines()) == len(analysis.bands) + 1
    with qtbot.waitSignal(dock.maker.said, timeout=PATIENCE) as signal:
        dock.save_table(tmp_path / "nowhere" / "bands.csv")
    assert "does not exist" in signal.args[0]


def test_a_copy_is_kept_and_all_planes_can_be_changed(
    viewer: Any, open_dock: OpenDock, analysed: Any, qtbot: QtBot
) -> None:
    source = add(viewer, scan())
    dock = open_dock()
    analysed(dock)
    with after_change(qtbot, dock):
        dock.controller.gains.toggle_mute(BandKey(0, 0))
    dock.maker.keep()
    kept = next(layer for layer in viewer.layers if "kept" in layer.name)
    before = np.array(kept.data)
    dock.maker.change_volume()
    qtbot.waitUntil(lambda: any("all planes" in layer.name for layer in viewer.layers), timeout=PATIENCE)
    whole = next(layer for layer in viewer.layers if "all planes" in layer.name)
    assert whole.data.shape == source.data.shape
    place = dock.controller.shown.position[0]
    np.testing.assert_allclose(whole.data[place], before[0], atol=1e-3)
    with after_change(qtbot, dock):
        dock.bands.reset.click()
    np.testing.assert_array_equal(kept.data, before)


BAD = {
    "boolean": (np.random.default_rng(0).random((64, 64)) > 0.5, True),
    "thin": (np.zeros((1, 64), np.float32), False),
    "small": (texture(5, 5), None),
    "all NaN": (np.full((64, 64), np.nan, np.float32), False),
    "NaN": (np.where(texture(64, 64) > 90, np.nan, texture(64, 64)), True),
    "infinite": (np.where(texture(64, 64) > 90, np.inf, texture(64, 64)), True),
    "constant": (np.full((64, 64), 3, np.uint16), True),
}


@pytest.mark.parametrize("name", BAD)
def test_odd_input_gets_an_answer_or_a_message(
    viewer: Any, open_dock: OpenDock, picture: Image, qtbot: QtBot, name: str
) -> None:
    dock = open_dock()
    pixels, can = BAD[name]
    viewer.add_image(pixels, name=name, contrast_limits=(0, 1))
    dock.form.choose_layer(viewer.layers[-1])
    qtbot.waitUntil(lambda: not dock.controller.looking, timeout=PATIENCE)
    if can is None:  # either will do
        can = not dock.message.text()
    if can:
        assert dock.bands.fan.current is not None
        assert all(np.isfinite(band.energy) for band in dock.controller.analysis.bands)
    else:
        assert name in dock.message.text()
        assert dock.bands.fan.current is None
        assert dock.controller.analysis is None
    dock.form.choose_layer(picture)
    qtbot.waitUntil(lambda: not dock.controller.looking, timeout=PATIENCE)
    assert dock.controller.analysis.bands[0].energy > 0


def test_an_image_with_alpha_is_taken_by_its_colours(
    viewer: Any, open_dock: OpenDock, analysed: Any, qtbot: QtBot
) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (80, 90, 4), dtype=np.uint8)
    viewer.add_image(pixels, rgb=True, name="painted")
    dock = open_dock()
    analysed(dock)
    with after_change(qtbot, dock):
        click(qtbot, dock, KEY)
    changed = viewer.layers[1]
    assert changed.rgb
    assert changed.data.shape == (80, 90, 3)
    assert np.abs(changed.data.astype(int) - pixels[..., :3]).mean() < 30


def test_what_was_typed_wrongly_is_said(open_dock: OpenDock, analysed: Any, picture: Image) -> None:
    dock = open_dock()
    analysed(dock)
    for text, said in (("3, x", "whole numbers"), ("3, 9", "levels")):
        dock.form.levels.value = text
        dock.form.levels.native.editingFinished.emit()
        assert said in dock.message.text()
    dock.form.levels.value = "2, 3"
    dock.form.levels.native.editingFinished.emit()
    assert len(analysed(dock).bands) == 1 + 4 + 8
    assert not dock.message.text()


def test_closing_leaves_no_timer_thread_process_or_layer(
    viewer: Any, open_dock: OpenDock, analysed: Any, picture: Image, qtbot: QtBot
) -> None:
    children, threads = set(psutil.Process().children()), set(threading.enumerate())
    listeners = [len(event.callbacks) for event in viewer_events(viewer)]
    dock = open_dock(own_child=True)
    analysed(dock)
    with after_change(qtbot, dock):
        click(qtbot, dock, KEY)
    click(qtbot, dock, BandKey(3, 0))  # and something under way
    viewer.window.remove_dock_widget(dock)
    assert list(viewer.layers) == [picture]
    alive = {psutil.STATUS_ZOMBIE}
    qtbot.waitUntil(
        lambda: all(c.status() in alive for c in set(psutil.Process().children()) - children), timeout=10_000
    )
    qtbot.waitUntil(
        lambda: not [t for t in set(threading.enumerate()) - threads if "medfreq" in t.name], timeout=10_000
    )
    assert [len(event.callbacks) for event in viewer_events(viewer)] == listeners
    viewer.dims.ndisplay = 3
    viewer.layers.clear()  # a callback left behind would call a widget that is gone


def viewer_events(viewer: Any) -> list[Any]:
    layers, dims = viewer.layers.events, viewer.dims.events
    return [layers.inserted, layers.removed, layers.reordered, layers.renamed, dims.point, dims.order, dims.ndisplay]


def test_switching_layers_fifty_times_leaks_no_memory(
    viewer: Any, open_dock: OpenDock, analysed: Any, qtbot: QtBot
) -> None:
    first, second = (viewer.add_image(texture(512, 512), name=name) for name in ("one", "two"))
    dock = open_dock()
    analysed(dock)
    with after_change(qtbot, dock):
        click(qtbot, dock, KEY)

    def switch(times: int) -> None:
        for number in range(times):
            with after_change(qtbot, dock):
                dock.form.choose_layer((first, second)[number % 2])

    switch(8)
    before = psutil.Process().memory_info().rss
    switch(50)
    assert psutil.Process().memory_info().rss - before < 50e6
    assert len(viewer.layers) == 3


def test_the_viewer_never_loads_torch() -> None:
    code = """
import sys, napari
if __name__ == "__main__":
    viewer = napari.Viewer(show=False)
    viewer.open_sample("napari-medfreq", "retina")
    _, dock = viewer.window.add_plugin_dock_widget("napari-medfreq", "Frequencies")
    dock.spectra.show_spectra(())
    loaded = {"torch", "monai", "lightning"} & set(sys.modules)
    viewer.close()
    sys.exit(f"loaded: {loaded}" if loaded else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
