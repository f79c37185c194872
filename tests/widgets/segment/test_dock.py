"""The dock as its user meets it: clicks in a real viewer, a real network in a real child process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import psutil
import pytest
from napari.layers import Image, Labels

from napari_medfreq.io.files import read
from napari_medfreq.volume import Volume
from napari_medfreq.widgets.layers import layers_of
from napari_medfreq.widgets.wording import with_suffix

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from napari_medfreq.io.models import ModelFolder
    from napari_medfreq.jobs.messages import Progress
    from napari_medfreq.widgets.segment.dock import SegmentDock

pytestmark = pytest.mark.gui
PATIENCE = 90_000


def photo(side: int = 96) -> Volume:
    pixels = np.random.default_rng(0).integers(0, 255, (3, side, side + 8), dtype=np.uint8)
    return Volume(pixels, axes="cyx", channels=("red", "green", "blue"), name="photo", calibrated=False)


def scan(slices: int = 6, side: int = 48) -> Volume:
    data = np.random.default_rng(0).random((slices, side, side + 4), dtype=np.float32)
    affine = np.array([[0, 0, 2.5, 10], [-0.8, 0, 0, 20], [0, 1.2, 0, -30], [0, 0, 0, 1.0]])
    return Volume(data, affine, channels=("t1",), name="scan")


def add(viewer: Any, volume: Volume) -> Any:
    return next(viewer.add_layer(layer) for layer in layers_of(volume))


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]


def test_a_click_gives_mask_probability_uncertainty_and_a_table(
    viewer: Any, open_dock: Callable[..., SegmentDock], segment: Callable[..., Any], rgb_model: ModelFolder
) -> None:
    dock = open_dock(rgb_model)
    source = add(viewer, photo())
    found = segment(dock)
    names = ["photo", "photo probability", "photo uncertainty", "photo labels"]
    assert [layer.name for layer in viewer.layers] == names
    _, probability, uncertainty, labels = viewer.layers
    assert isinstance(labels, Labels)
    assert isinstance(probability, Image)
    np.testing.assert_array_equal(labels.data, found.labels.data)
    np.testing.assert_array_equal(np.asarray(probability.data), found.probability.data)
    assert np.asarray(uncertainty.data).max() > 0
    assert all(tuple(layer.scale) == tuple(source.scale) for layer in viewer.layers)
    assert dock.table.item(0, 0).text() == "lesion"
    assert dock.table.item(0, 1).text() == f"{found.regions[0].voxels:,} px"
    assert dock.button.text() == "Segment"
    assert dock.export_button.isEnabled()


def test_finished_labels_can_be_painted_and_every_stroke_undone(
    viewer: Any, open_dock: Callable[..., SegmentDock], segment: Callable[..., Any], rgb_model: ModelFolder
) -> None:
    dock = open_dock(rgb_model)
    add(viewer, photo())
    segment(dock)
    labels = viewer.layers[-1]
    assert labels.editable
    before = np.array(labels.data)
    labels.paint((5, 5), 7)
    assert labels.data[5, 5] == 7
    labels.undo()
    np.testing.assert_array_equal(labels.data, before)
    labels.undo()
    np.testing.assert_array_equal(labels.data, before)


def test_runs_in_a_row_leave_earlier_results_alone(
    viewer: Any, open_dock: Callable[..., SegmentDock], segment: Callable[..., Any], rgb_model: ModelFolder
) -> None:
    dock = open_dock(rgb_model)
    add(viewer, photo())
    segment(dock)
    first = viewer.layers[-1]
    first.paint((5, 5), 9)
    segment(dock)
    assert len(viewer.layers) == 7
    assert first.data[5, 5] == 9
    assert viewer.layers[-1] is not first
    assert not first.visible  # two masks over each other could not be told apart
    assert [layer.visible for layer in viewer.layers if isinstance(layer, Labels)].count(True) == 1


def test_an_edited_result_is_exported_voxel_on_voxel_with_its_provenance(
    viewer: Any,
    open_dock: Callable[..., SegmentDock],
    segment: Callable[..., Any],
    volume_model: ModelFolder,
    qtbot: QtBot,
    tmp_path: Path,
) -> None:
    volume = scan()
    nib.save(nib.Nifti1Image(volume.data.transpose(), volume.affine), tmp_path / "scan.nii.gz")
    (source,) = [viewer.add_layer(layer) for entry in read(tmp_path / "scan.nii.gz") for layer in layers_of(entry)]
    dock = open_dock(volume_model)
    segment(dock)
    labels = viewer.layers[-1]
    assert labels.data.shape == source.data.shape
    index = (2, 3, 1)
    labels.data_setitem(tuple(np.array([i]) for i in index), 5)
    target = tmp_path / "mask.nii.gz"
    with qtbot.waitSignal(dock.controller.said, timeout=PATIENCE):
        dock.controller.export("labels", target)
    saved = nib.load(target)
    np.testing.assert_allclose(saved.affine, volume.affine, atol=1e-5)
    (place,) = np.argwhere(np.asarray(saved.dataobj) == 5)
    x, y, z = (saved.affine @ [*place, 1])[:3]
    np.testing.assert_allclose(labels.data_to_world(index), (z, -y, -x), atol=1e-4)
    record = json.loads((tmp_path / "mask.nii.gz.provenance.json").read_text())
    assert record["model"]["sha256"] == volume_model.sha256
    assert record["options"]["passes"] == 2
    assert record["edited"] is True
    assert record["regions"][0]["label"]["name"]


def test_cancel_takes_the_fresh_layers_away_and_the_next_click_works(
    viewer: Any,
    open_dock: Callable[..., SegmentDock],
    segment: Callable[..., Any],
    volume_model: ModelFolder,
    qtbot: QtBot,
) -> None:
    dock = open_dock(volume_model)
    source = add(viewer, scan(400, 64))
    dock.form.passes.value = 50
    with qtbot.waitSignal(dock.controller.progressed, timeout=PATIENCE, check_params_cb=under_way):
        dock.button.click()
    assert dock.button.text() == "Cancel"
    dock.button.click()
    assert not dock.controller.running
    assert list(viewer.layers) == [source]
    assert "Cancelled" in dock.message.text()
    viewer.layers.clear()
    add(viewer, scan())
    segment(dock)
    assert len(viewer.layers) == 4


def test_a_killed_child_costs_nothing_but_the_run(
    viewer: Any,
    open_dock: Callable[..., SegmentDock],
    segment: Callable[..., Any],
    volume_model: ModelFolder,
    qtbot: QtBot,
) -> None:
    others = set(children())
    dock = open_dock(volume_model, own_child=True)
    source = add(viewer, scan(400, 64))
    drawn = viewer.add_labels(np.ones((400, 64, 68), np.uint8), name="by hand")
    dock.form.passes.value = 50
    with qtbot.waitSignal(dock.controller.progressed, timeout=PATIENCE, check_params_cb=under_way):
        dock.button.click()
    with qtbot.waitSignal(dock.controller.said, timeout=PATIENCE, check_params_cb=lambda _, error: error):
        for child in set(children()) - others:
            child.kill()
    assert [layer.name for layer in viewer.layers] == [source.name, "by hand"]
    assert drawn.data.all()
    assert dock.message.text()
    assert "Traceback" not in dock.message.text()
    viewer.layers.clear()
    add(viewer, scan())
    segment(dock)
    assert len(viewer.layers) == 4


def test_a_source_that_is_removed_meanwhile_does_no_harm(
    viewer: Any, open_dock: Callable[..., SegmentDock], volume_model: ModelFolder, qtbot: QtBot
) -> None:
    dock = open_dock(volume_model)
    source = add(viewer, scan(40))
    with qtbot.waitSignal(dock.controller.found, timeout=PATIENCE):
        dock.button.click()
        viewer.layers.remove(source)
    assert [layer.name for layer in viewer.layers] == ["scan probability", "scan uncertainty", "scan labels"]


def test_without_an_image_the_dock_says_what_to_do(
    open_dock: Callable[..., SegmentDock], contrasts_model: ModelFolder
) -> None:
    dock = open_dock(contrasts_model)
    dock.button.click()
    assert "Open the T1 image first" in dock.message.text()
    assert not dock.controller.running


def test_contrasts_are_found_by_what_their_file_said_and_must_share_a_grid(
    viewer: Any, open_dock: Callable[..., SegmentDock], contrasts_model: ModelFolder, qtbot: QtBot
) -> None:
    dock = open_dock(contrasts_model)
    t1, flair = scan(), scan(7)
    t1_layer = add(viewer, t1)
    flair_layer = add(viewer, flair.like(flair.data, channels=("flair",), name="other"))
    assert dock.form.choice().layers == (t1_layer, flair_layer)
    with qtbot.waitSignal(dock.controller.said, timeout=PATIENCE) as signal:
        dock.button.click()
    text, error = signal.args
    assert error
    assert "'other'" in text
    assert "grid" in text


def test_an_image_of_nothing_but_nan_is_refused_in_words(
    viewer: Any, open_dock: Callable[..., SegmentDock], volume_model: ModelFolder, qtbot: QtBot
) -> None:
    dock = open_dock(volume_model)
    volume = scan()
    add(viewer, volume.like(np.full_like(volume.data, np.nan), name="empty scan"))
    with qtbot.waitSignal(dock.controller.said, timeout=PATIENCE, check_params_cb=lambda _, error: error) as signal:
        dock.button.click()
    assert "empty scan" in signal.args[0]
    assert len(viewer.layers) == 1


def test_closing_the_dock_in_mid_run_leaves_no_process_thread_or_key(
    viewer: Any, open_dock: Callable[..., SegmentDock], volume_model: ModelFolder, qtbot: QtBot
) -> None:
    import threading

    before, keys = set(children()), dict(viewer.keymap)
    threads = set(threading.enumerate())
    dock = open_dock(volume_model, own_child=True)
    add(viewer, scan(400, 64))
    with qtbot.waitSignal(dock.controller.progressed, timeout=PATIENCE, check_params_cb=under_way):
        dock.button.click()
    viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: set(children()) <= before, timeout=10_000)
    qtbot.waitUntil(
        lambda: not [t for t in set(threading.enumerate()) - threads if "medfreq" in t.name], timeout=10_000
    )
    assert dict(viewer.keymap) == keys
    viewer.layers.clear()  # a callback left behind would call a widget that is gone


def test_closing_the_viewer_in_mid_run_ends_the_child(
    viewer: Any, open_dock: Callable[..., SegmentDock], volume_model: ModelFolder, qtbot: QtBot
) -> None:
    before = set(children())
    dock = open_dock(volume_model, own_child=True)
    add(viewer, scan(400, 64))
    with qtbot.waitSignal(dock.controller.progressed, timeout=PATIENCE, check_params_cb=under_way):
        dock.button.click()
    viewer.close()
    qtbot.waitUntil(lambda: set(children()) <= before, timeout=10_000)


def test_the_viewer_never_loads_torch() -> None:
    code = """
import sys, napari
from qtpy.QtCore import QTimer
from napari_medfreq.widgets.contributions import sample_brain
if __name__ == "__main__":
    viewer = napari.Viewer(show=False)
    viewer.window.add_plugin_dock_widget("napari-medfreq", "Segment")
    viewer.open_sample("napari-medfreq", "retina")
    loaded = {"torch", "monai", "lightning"} & set(sys.modules)
    viewer.close()
    sys.exit(f"loaded: {loaded}" if loaded else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "chosen", "expected"),
    [
        ("mask", "NIfTI (*.nii.gz *.nii)", "mask.nii.gz"),
        ("mask.nii", "NIfTI (*.nii.gz *.nii)", "mask.nii"),
        ("case.1", "NRRD (*.nrrd)", "case.1.nrrd"),
    ],
)
def test_a_name_without_an_ending_gets_the_chosen_one(name: str, chosen: str, expected: str) -> None:
    assert with_suffix(Path(name), chosen) == Path(expected)


def under_way(progress: Progress) -> bool:
    return progress.done > 0
