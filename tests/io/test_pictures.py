"""Pictures, checked with Pillow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from napari_medfreq.errors import FileError
from napari_medfreq.io import files
from napari_medfreq.volume import Volume, display_orientation

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def colours() -> np.ndarray:
    """Rows, columns, red-green-blue."""
    return np.random.default_rng(0).integers(0, 255, (6, 9, 3)).astype(np.uint8)


@pytest.mark.parametrize("ending", [".png", ".bmp"])
def test_colours_are_channels_in_pixels(tmp_path: Path, colours: np.ndarray, ending: str) -> None:
    Image.fromarray(colours).save(tmp_path / f"a{ending}", dpi=(72, 72))
    (volume,) = files.read(tmp_path / f"a{ending}")
    assert (volume.axes, volume.channels) == ("cyx", ("red", "green", "blue"))
    assert (volume.calibrated, volume.units) == (False, "pixel")  # 72 dpi is no size of what the photo shows
    np.testing.assert_array_equal(volume.data, np.moveaxis(colours, -1, 0))


def test_a_picture_is_shown_as_it_is_stored(tmp_path: Path, colours: np.ndarray) -> None:
    Image.fromarray(colours).save(tmp_path / "a.png")
    orientation = display_orientation(files.read(tmp_path / "a.png")[0])
    assert orientation.flips == (False, False)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_keeps_its_depth(tmp_path: Path, dtype: type) -> None:
    data = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (6, 9)).astype(dtype)
    Image.fromarray(data).save(tmp_path / "a.png")
    (volume,) = files.read(tmp_path / "a.png")
    assert (volume.axes, volume.data.dtype) == ("yx", dtype)
    np.testing.assert_array_equal(volume.data, data)


def test_transparency_is_left_out_and_palettes_become_colours(tmp_path: Path, colours: np.ndarray) -> None:
    clear = np.dstack([colours, np.full((6, 9), 7, np.uint8)])
    Image.fromarray(clear).save(tmp_path / "a.png")
    np.testing.assert_array_equal(files.read(tmp_path / "a.png")[0].data, np.moveaxis(colours, -1, 0))
    palette = Image.fromarray(np.arange(54, dtype=np.uint8).reshape(6, 9) % 4).convert("P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    palette.save(tmp_path / "b.png")
    (volume,) = files.read(tmp_path / "b.png")
    assert volume.data[:, 0, 1].tolist() == [255, 0, 0]
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "c.png")
    assert files.read(tmp_path / "c.png")[0].data.tolist() == [[255, 0]]


def test_a_photo_is_turned_as_the_camera_says_and_its_mask_with_it(tmp_path: Path) -> None:
    data = np.zeros((32, 64), np.uint8)
    data[:8, :8] = 255  # bright at the top left of the sensor
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(data).save(tmp_path / "a.jpg", exif=exif, quality=95)
    (volume,) = files.read(tmp_path / "a.jpg")
    assert volume.data.shape == (64, 32)
    assert volume.data[2, -3] > 200
    assert "turned" in volume.header["notes"][0]
    files.write(volume.like((volume.data > 128).astype(np.uint8), kind="labels"), tmp_path / "mask.png")
    assert np.asarray(Image.open(tmp_path / "mask.png")).shape == (64, 32)


@pytest.mark.parametrize(("highest", "dtype"), [(3, np.uint8), (255, np.uint8), (256, np.uint16), (65535, np.uint16)])
def test_the_value_of_a_pixel_is_its_label(tmp_path: Path, highest: int, dtype: type) -> None:
    labels = np.zeros((6, 9), np.int64)
    labels[2, 3] = highest
    files.write(Volume(labels, axes="yx", kind="labels", calibrated=False), tmp_path / "mask.png")
    stored = np.asarray(Image.open(tmp_path / "mask.png"))
    assert stored.dtype == dtype
    np.testing.assert_array_equal(stored, labels)
    (again,) = files.read(tmp_path / "mask.png")
    assert again.kind == "labels"
    np.testing.assert_array_equal(again.data, labels)


def test_colours_are_written_as_colours(tmp_path: Path, colours: np.ndarray) -> None:
    files.write(Volume(np.moveaxis(colours, -1, 0), axes="cyx"), tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), colours)


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        (Volume(np.zeros((3, 4, 5), np.uint8), kind="labels"), "one plane.*NIfTI"),
        (Volume(np.zeros((4, 5), np.float32), axes="yx", kind="probability"), "whole numbers.*TIFF"),
        (Volume(np.full((4, 5), 70000), axes="yx", kind="labels"), "0 to 65535"),
        (Volume(np.full((4, 5), -1), axes="yx", kind="labels"), "0 to 65535"),
    ],
)
def test_what_a_png_cannot_hold_is_sent_elsewhere(tmp_path: Path, volume: Volume, message: str) -> None:
    with pytest.raises(FileError, match=message):
        files.write(volume, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [".png", ".jpg", ".bmp"])
def test_a_truncated_picture_says_so(tmp_path: Path, colours: np.ndarray, ending: str) -> None:
    Image.fromarray(np.kron(colours, np.ones((20, 20, 1), np.uint8))).save(tmp_path / f"a{ending}")
    content = (tmp_path / f"a{ending}").read_bytes()
    (tmp_path / f"a{ending}").write_bytes(content[: len(content) // 2])
    with pytest.raises(FileError, match=rf"a{ending} is cut short or damaged"):
        files.read(tmp_path / f"a{ending}")


@pytest.mark.data
def test_a_real_photograph_and_its_mask_agree(data_folder: Path) -> None:
    picture = next((data_folder / "kvasir_seg").rglob("*.png"), None) or next(
        (data_folder / "kvasir_seg").rglob("*.jpg")
    )
    (volume,) = files.read(picture)
    assert volume.data.shape[-2:] == Image.open(picture).size[::-1]
