"""Compressed DICOM files as scanners and archives write them, without a decoder of pydicom's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from napari_medfreq.io import files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"


def compress(pixels: np.ndarray, folder: Path) -> pydicom.Dataset:
    """Return `pixels` as GDCM writes them in lossless JPEG."""
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.UseCompressionOn()
    writer.SetCompressor("JPEG")
    writer.SetFileName(str(folder / "by-gdcm.dcm"))
    writer.Execute(sitk.GetImageFromArray(pixels, isVector=pixels.ndim == 3 and pixels.shape[-1] == 3))
    dataset = pydicom.dcmread(folder / "by-gdcm.dcm")
    assert dataset.file_meta.TransferSyntaxUID == JPEG_LOSSLESS
    return dataset


def put_in(path: Path, compressed: pydicom.Dataset) -> Path:
    """Replace the pixels of the file `path` by those of `compressed`."""
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = compressed.file_meta.TransferSyntaxUID
    for name in ("SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit",
                 "PixelRepresentation"):  # fmt: skip
        if name != "PhotometricInterpretation" or dataset.PhotometricInterpretation != "MONOCHROME1":
            setattr(dataset, name, compressed[name].value)
    dataset.PixelData = compressed.PixelData
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    return path


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4000, (24, 32)).astype(np.uint16)


def test_lossless_jpeg_gives_the_numbers_that_were_stored(
    write_slice: Callable[..., Path], pixels: np.ndarray, tmp_path: Path
) -> None:
    path = put_in(write_slice("mr.dcm", pixels), compress(pixels, tmp_path))
    (volume,) = files.read(path)
    assert volume.data.dtype == np.uint16
    np.testing.assert_array_equal(volume.data, pixels)


def test_slope_and_intercept_are_applied_once(
    write_slice: Callable[..., Path], pixels: np.ndarray, tmp_path: Path
) -> None:
    path = write_slice("ct.dcm", pixels, RescaleSlope=2, RescaleIntercept=-1024)
    np.testing.assert_array_equal(files.read(put_in(path, compress(pixels, tmp_path)))[0].data, pixels * 2.0 - 1024)


def test_where_little_is_bright_the_image_is_inverted_once(
    write_slice: Callable[..., Path], pixels: np.ndarray, tmp_path: Path
) -> None:
    path = write_slice("xray.dcm", pixels, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(files.read(put_in(path, compress(pixels, tmp_path)))[0].data, 65535 - pixels)


def test_colours_are_channels(write_slice: Callable[..., Path], tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (24, 32, 3)).astype(np.uint8)
    (volume,) = files.read(put_in(write_slice("photo.dcm", colours), compress(colours, tmp_path)))
    assert volume.channels == ("red", "green", "blue")
    np.testing.assert_array_equal(volume.data, np.moveaxis(colours, -1, 0))
