from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_medfreq.errors import FileError
from napari_medfreq.io.coefficients import read_coefficients, write_coefficients
from napari_medfreq.transforms.bands import BandKey

if TYPE_CHECKING:
    from pathlib import Path

PARTS = {BandKey(0, 0): np.ones((3, 4), np.float32), BandKey(2, 11): np.arange(6.0, dtype=np.float32)}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "scan.npz"
    write_coefficients(path, PARTS, {"transform": "contourlet", "name": "Müller"})
    parts, about = read_coefficients(path)
    assert about == {"transform": "contourlet", "name": "Müller"}
    assert list(parts) == list(PARTS)
    for key, part in parts.items():
        assert part.dtype == np.float32
        np.testing.assert_array_equal(part, PARTS[key])
    assert [file.name for file in tmp_path.iterdir()] == ["scan.npz"]


def test_numpy_alone_reads_it(tmp_path: Path) -> None:
    write_coefficients(tmp_path / "scan.npz", PARTS, {})
    with np.load(tmp_path / "scan.npz") as archive:
        np.testing.assert_array_equal(archive["s2_d11"], PARTS[BandKey(2, 11)])


def test_a_file_that_cannot_be_replaced_stays(tmp_path: Path) -> None:
    path = tmp_path / "scan.npz"
    write_coefficients(path, PARTS, {})
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_coefficients(path, PARTS, {"unwritable": object()})
    assert path.read_bytes() == before
    with pytest.raises(FileError, match="does not exist"):
        write_coefficients(tmp_path / "nowhere" / "scan.npz", PARTS, {})


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"nothing of the kind"])
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "scan.npz"
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"scan\.npz"):
        read_coefficients(path)


def test_archives_of_others(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", weights=np.ones(3))
    with pytest.raises(FileError, match=r"other\.npz"):
        read_coefficients(tmp_path / "other.npz")
    with pytest.raises(FileError, match=r"missing\.npz"):
        read_coefficients(tmp_path / "missing.npz")
