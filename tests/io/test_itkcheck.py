"""Damage that ITK reads without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK as sitk

from napari_medfreq.errors import FileError
from napari_medfreq.io import files
from napari_medfreq.io.itkcheck import read_header

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=[".nrrd", ".mha"])
def scan(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A compressed file of noise."""
    path = tmp_path / f"scan{request.param}"
    image = sitk.GetImageFromArray(np.random.default_rng(0).random((20, 21, 22)).astype(np.float32))
    sitk.WriteImage(image, str(path), useCompression=True)
    return path


@pytest.mark.parametrize("missing", [1, 9, 100, 20000])
def test_a_truncated_file_is_refused(scan: Path, missing: int) -> None:
    scan.write_bytes(scan.read_bytes()[:-missing])
    with pytest.raises(FileError, match=r"scan\.\w+ is cut short.*again"):
        files.read(scan)


def test_a_flipped_bit_is_noticed(scan: Path) -> None:
    content = bytearray(scan.read_bytes())
    content[len(content) // 2] ^= 16
    scan.write_bytes(content)
    with pytest.raises(FileError, match=r"scan\.\w+ is damaged"):
        files.read(scan)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "huge.nrrd",
            "NRRD0004\ntype: double\ndimension: 3\nsizes: 2000 2000 1250\nendian: little\nencoding: gzip\n\n",
        ),
        ("huge.nrrd", "NRRD0004\ntype: double\ndimension: 3\nsizes: 2000 2000 1250\nendian: little\nencoding: raw\n\n"),
        (
            "huge.mha",
            "ObjectType = Image\nNDims = 3\nDimSize = 2000 2000 1250\nElementType = MET_DOUBLE\n"
            "ElementDataFile = LOCAL\n",
        ),
    ],
)
def test_a_header_that_announces_more_than_the_file_holds_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(text.encode() + bytes(2000))
    with pytest.raises(FileError, match=r"huge\.\w+ is cut short or its header is damaged.*40 GB"):
        files.read(tmp_path / name)


@pytest.mark.parametrize("name", ["a.nhdr", "a.mhd"])
def test_the_file_with_the_voxels_may_be_another_but_not_missing(tmp_path: Path, name: str) -> None:
    data = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    sitk.WriteImage(sitk.GetImageFromArray(data), str(tmp_path / name))
    np.testing.assert_array_equal(files.read(tmp_path / name)[0].data, data)
    (stored,) = (path for path in tmp_path.iterdir() if path.name != name)
    assert read_header(tmp_path / name).data_file == stored.name
    stored.write_bytes(stored.read_bytes()[:-2])
    with pytest.raises(FileError, match=f"{name} is cut short"):
        files.read(tmp_path / name)
    stored.unlink()
    with pytest.raises(FileError, match=f"{name}: the file with its voxels, {stored.name}, is missing"):
        files.read(tmp_path / name)


def test_a_text_that_is_no_header_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.nrrd").write_text("NRRD0004\nnonsense\n\n")
    with pytest.raises(FileError, match=r"a\.nrrd is damaged"):
        files.read(tmp_path / "a.nrrd")
