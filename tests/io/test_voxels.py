"""What all formats check."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_medfreq.errors import FileError
from napari_medfreq.io import voxels
from napari_medfreq.volume import Volume

PATH = Path("scan.nii.gz")


def test_the_name_loses_the_whole_ending() -> None:
    assert voxels.stem(PATH) == "scan"
    assert voxels.stem(Path("a.b.nii")) == "a.b"
    assert voxels.stem(Path("IM0001")) == "IM0001"


@pytest.mark.parametrize("shape", [(), (5,), (5, 0), (5, -1, 5)], ids=str)
def test_sizes_that_are_none(shape: tuple[int, ...]) -> None:
    with pytest.raises(FileError, match=r"scan\.nii\.gz holds no image"):
        voxels.check_shape(PATH, shape)


def test_a_product_beyond_64_bits_does_not_wrap_around() -> None:
    with pytest.raises(FileError, match=r"announces"):
        voxels.check_bytes(PATH, (2**16, 2**16, 2**16, 2**16), np.dtype(np.uint8), 10, compressed=False)


def test_what_compresses_well_is_no_damage() -> None:
    voxels.check_bytes(PATH, (1000, 1000), np.dtype(np.uint8), 1000, compressed=True)
    with pytest.raises(FileError, match=r"1 MB\), but holds only 1 kB"):
        voxels.check_bytes(PATH, (1000, 1000), np.dtype(np.uint8), 1000, compressed=False)


@pytest.mark.parametrize(
    "affine", [np.diag([np.inf, 1, 1, 1]), np.diag([0.0, 1, 1, 1]), np.ones((4, 4))], ids=["infinite", "zero", "flat"]
)
def test_affines_that_place_nothing(affine: np.ndarray) -> None:
    with pytest.raises(FileError, match=r"scan\.nii\.gz: its header"):
        voxels.checked_affine(PATH, affine)


def test_tiny_voxels_are_no_damage() -> None:
    voxels.checked_affine(PATH, np.diag([1e-5, 1e-5, 1e-5, 1]))


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([0, 255], "u1"),
        ([0, 256], "u2"),
        ([-1, 5], "i2"),
        ([0, 70000], "i4"),
        ([0, 2**32 - 1], "u4"),
        ([0, 2**40], "i8"),
    ],
)
def test_labels_take_the_smallest_type_that_holds_them(values: list[int], dtype: str) -> None:
    data = np.array([[values]], np.int64)
    stored = voxels.storable(Volume(data, kind="labels"), PATH)
    assert stored.dtype == dtype
    np.testing.assert_array_equal(stored, data)


def test_big_endian_halves_and_long_floats_become_what_formats_hold() -> None:
    assert voxels.native(np.zeros(1, ">f4")).dtype == np.float32
    assert voxels.native(np.zeros(1, np.float16)).dtype == np.float32
    assert voxels.native(np.zeros(1, np.longdouble)).dtype == np.float64


def test_complex_data_are_not_written() -> None:
    with pytest.raises(FileError, match=r"not written.*magnitude"):
        voxels.storable(Volume(np.zeros((2, 2, 2), np.complex64)), PATH)
