"""Pixels as the numbers that they stand for."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import UID, JPEG2000Lossless, JPEGLosslessSV1, RLELossless

from napari_medfreq.errors import FileError
from napari_medfreq.io import files
from napari_medfreq.io.dicompixels import brightness

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4000, (4, 6)).astype(np.uint16)


def test_slope_and_intercept_are_applied(write_slice: Callable[..., Path], pixels: np.ndarray) -> None:
    (volume,) = files.read(write_slice("ct.dcm", pixels, RescaleSlope=2, RescaleIntercept=-1024))
    assert volume.data.dtype == np.float32
    np.testing.assert_array_equal(volume.data, pixels * 2.0 - 1024)


def test_without_them_the_type_stays(write_slice: Callable[..., Path], pixels: np.ndarray) -> None:
    (volume,) = files.read(write_slice("mr.dcm", pixels, RescaleSlope=1, RescaleIntercept=0))
    assert volume.data.dtype == np.uint16
    np.testing.assert_array_equal(volume.data, pixels)


def test_each_slice_has_its_own_slope(write_slice: Callable[..., Path], pixels: np.ndarray) -> None:
    for number in range(3):
        path = write_slice(f"pet/{number}.dcm", pixels, number, RescaleSlope=number + 1, RescaleIntercept=0)
    (volume,) = files.read(path.parent)
    np.testing.assert_array_equal(volume.data, np.stack([pixels * 1.0, pixels * 2.0, pixels * 3.0]))


def test_where_little_is_bright_the_image_is_inverted(write_slice: Callable[..., Path], pixels: np.ndarray) -> None:
    path = write_slice("xray.dcm", pixels, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(files.read(path)[0].data, 4095 - pixels)
    signed = (pixels.astype(np.int16) - 2000).astype(np.int16)
    path = write_slice("signed.dcm", signed, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(files.read(path)[0].data, -1 - signed)


def test_colours_are_channels(write_slice: Callable[..., Path]) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (4, 6, 3)).astype(np.uint8)
    (volume,) = files.read(write_slice("photo.dcm", colours))
    assert (volume.axes, volume.channels) == ("cyx", ("red", "green", "blue"))
    np.testing.assert_array_equal(volume.data, np.moveaxis(colours, -1, 0))


def recompress(path: Path, syntax: UID, content: bytes) -> None:
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([content])
    dataset["PixelData"].VR = "OB"
    dataset.save_as(path)


def test_what_can_be_decoded_is(write_slice: Callable[..., Path], pixels: np.ndarray) -> None:
    path = write_slice("rle.dcm", pixels)
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless)
    dataset.save_as(path)
    np.testing.assert_array_equal(files.read(path)[0].data, pixels)
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, format="JPEG2000", no_jp2=True, irreversible=False)
    path = write_slice("jpeg2000.dcm", pixels)
    recompress(path, JPEG2000Lossless, stream.getvalue())
    np.testing.assert_array_equal(files.read(path)[0].data, pixels)


def test_what_cannot_be_decoded_says_what_to_do(write_slice: Callable[..., Path], pixels: np.ndarray) -> None:
    path = write_slice("lossless.dcm", pixels)
    recompress(path, JPEGLosslessSV1, b"\xff\xd8\xff\xd9")
    with pytest.raises(FileError, match=r"lossless\.dcm is compressed \(JPEG Lossless.*copy.*pip install pylibjpeg"):
        files.read(path)


@pytest.mark.parametrize("missing", [2, 40])
def test_a_truncated_file_is_refused(write_slice: Callable[..., Path], pixels: np.ndarray, missing: int) -> None:
    path = write_slice("cut.dcm", pixels)
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(FileError, match=r"cut\.dcm.*again"):
        files.read(path)


def test_a_header_that_announces_too_much_is_refused(write_slice: Callable[..., Path], pixels: np.ndarray) -> None:
    path = write_slice("huge.dcm", pixels, Rows=60000, Columns=60000, NumberOfFrames=6)  # 43 GB
    with pytest.raises(FileError, match=r"huge\.dcm.*again"):
        files.read(path)


def test_brightness_is_that_of_television() -> None:
    assert brightness(np.array([[255, 255, 255], [255, 0, 0], [0, 255, 0]], np.uint8)).tolist() == [255, 76, 150]
