"""Files opened and saved through napari itself lie voxel on voxel on the originals, and broken ones are named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.notifications import notification_manager

from napari_medfreq.io.dicom import SeriesInfo
from napari_medfreq.widgets.contributions import get_reader, read_layers
from napari_medfreq.widgets.series import ask, choose_series

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

PLUGIN = "napari-medfreq"
DIRECTIONS = {
    "RAS": np.diag([0.8, 1.2, 2.5, 1]),
    "LPS": np.diag([-0.8, -1.2, 2.5, 1]),
    "PIR": np.array([[0, 0, 2.5, 0], [-0.8, 0, 0, 0], [0, -1.2, 0, 0], [0, 0, 0, 1.0]]),
    "oblique": np.array([[0.8, 0, 0, 0], [0, 1.18, -0.43, 0], [0, 0.21, 2.46, 0], [0, 0, 0, 1.0]]),
}


@pytest.fixture(autouse=True)
def _plugin(npe2pm: Any) -> Iterator[None]:
    """Only this plugin is installed, whatever else the machine has."""
    with npe2pm.tmp_plugin(package=PLUGIN):
        yield


@pytest.fixture
def nifti(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    affine = DIRECTIONS[request.param].copy()
    affine[:3, 3] = (11, -23, 37)
    path = tmp_path / "case.nii.gz"
    nib.save(nib.Nifti1Image(np.arange(7 * 6 * 5, dtype=np.int16).reshape(7, 6, 5), affine), path)
    return path


@pytest.mark.parametrize("nifti", list(DIRECTIONS), indirect=True)
@pytest.mark.parametrize("ending", [".nii.gz", ".nii"])
def test_labels_drawn_in_napari_are_saved_on_the_voxels_of_the_source(nifti: Path, ending: str, tmp_path: Path) -> None:
    viewer = ViewerModel()
    (image,) = viewer.open(nifti, plugin=PLUGIN)
    values = np.asarray(image.data)
    drawn = Labels((values > 100).astype(np.uint8), metadata=image.metadata, scale=image.scale, name="drawn")
    drawn.translate, drawn.units = image.translate, image.units
    viewer.add_layer(drawn)
    target = tmp_path / f"mask{ending}"
    assert drawn.save(str(target), plugin=PLUGIN) == [str(target)]
    source, saved = nib.load(nifti), nib.load(target)
    np.testing.assert_allclose(saved.affine, source.affine, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(saved.dataobj) > 0, np.asarray(source.dataobj) > 100)


@pytest.mark.parametrize("nifti", ["PIR"], indirect=True)
def test_an_image_is_saved_as_it_was_read(nifti: Path, tmp_path: Path) -> None:
    (image,) = ViewerModel().open(nifti, plugin=PLUGIN)
    image.save(str(tmp_path / "copy.nii.gz"), plugin=PLUGIN)
    copy, source = nib.load(tmp_path / "copy.nii.gz"), nib.load(nifti)
    np.testing.assert_allclose(copy.affine, source.affine, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(copy.dataobj), np.asarray(source.dataobj))


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b\x08\x00broken", b"\x89PNG\r\n\x1a\n"])
def test_a_broken_file_is_named_and_nothing_is_opened(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.nii.gz"
    path.write_bytes(content)
    said: list[str] = []

    def listen(notification: Any) -> None:
        said.append(notification.message)

    notification_manager.notification_ready.connect(listen)
    try:
        assert ViewerModel().open(path, plugin=PLUGIN) == []
    finally:
        notification_manager.notification_ready.disconnect(listen)
    assert any("broken.nii.gz" in text for text in said)


def test_what_cannot_be_written_is_said_and_nothing_is_left_behind(tmp_path: Path) -> None:
    layer = Labels(np.ones((3, 4, 5), np.uint8), name="solid")
    assert not layer.save(str(tmp_path / "solid.png"), plugin=PLUGIN)
    assert list(tmp_path.iterdir()) == []


def test_only_readable_things_are_claimed(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no image")
    assert get_reader(str(text)) is None
    assert get_reader(str(tmp_path)) is None
    assert get_reader([str(text), str(text)]) is None


@pytest.mark.parametrize(("sample", "layers"), [("retina", 1), ("brain", 5)])
def test_samples_open_without_network(sample: str, layers: int) -> None:
    viewer = ViewerModel()
    viewer.open_sample(PLUGIN, sample)
    assert len(viewer.layers) == layers
    assert viewer.layers[-1].visible


def test_without_a_window_every_series_of_a_folder_opens() -> None:
    series = [SeriesInfo("1", "T2", "MR", 22, (22, 8, 8)), SeriesInfo("2", "FLAIR", "MR", 10, (10, 8, 8))]
    assert choose_series(series) == series


@pytest.mark.gui
def test_with_a_window_the_user_ticks_the_series(qtbot: QtBot) -> None:
    from qtpy.QtCore import Qt, QTimer
    from qtpy.QtWidgets import QApplication, QListWidget, QWidget

    window = QWidget()
    qtbot.addWidget(window)
    series = [SeriesInfo("1", "T2", "MR", 22, (22, 8, 8)), SeriesInfo("2", "FLAIR", "MR", 10, (10, 8, 8))]

    def answer() -> None:
        dialog = QApplication.activeModalWidget()
        rows = dialog.findChild(QListWidget)
        assert "FLAIR (10 images" in rows.item(1).text()
        rows.item(0).setCheckState(Qt.CheckState.Unchecked)
        dialog.accept()

    QTimer.singleShot(0, answer)
    assert ask(series, window) == series[1:]


@pytest.mark.data
def test_a_real_dicom_folder_becomes_a_layer_a_series_at_its_place(data_folder: Path) -> None:
    import pydicom

    folder = data_folder / "dicom" / "brainix" / "FLAIR"
    if not folder.is_dir():
        pytest.skip(f"no DICOM at {folder}")
    ((data, keywords, kind),) = read_layers(str(folder))
    assert kind == "image"
    assert data.shape[0] == len(list(folder.iterdir()))
    first = pydicom.dcmread(next(iter(sorted(folder.iterdir()))), stop_before_pixels=True)
    np.testing.assert_allclose(keywords["scale"][1:], [float(v) for v in first.PixelSpacing], rtol=1e-4)
