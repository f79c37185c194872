"""Writing that loses nothing: really full, forbidden and missing places."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_medfreq.errors import FileError
from napari_medfreq.io import files
from napari_medfreq.io.atomic import append_line, replacing, write_error
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator

MASK = Volume(np.random.default_rng(0).random((20, 30, 40)).astype(np.float32))
PLANE = Volume(np.random.default_rng(0).integers(0, 255, (300, 300)).astype(np.uint8), axes="yx", kind="labels")
TARGETS = ["a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.tif", "a.png"]


def content_for(name: str) -> Volume:
    return PLANE if name.endswith("png") else MASK


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file may grow over `size` bytes: the system then fails in the middle of a write, as it does on a full disk."""
    resource = pytest.importorskip("resource", reason="Windows has no limit on the size of files")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:  # at once, for the log of the tests may be a larger file
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", TARGETS)
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"precious")
    with pytest.raises(FileError, match=r"not written.*full"), disk_of(9000):
        files.write(content_for(name), tmp_path / name)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(name, b"precious")]


@pytest.mark.parametrize("free", [0, 1, 9])
def test_a_line_that_does_not_fit_on_the_disk_is_not_begun(tmp_path: Path, free: int) -> None:
    log = tmp_path / "log"
    append_line(log, "first")
    with pytest.raises(FileError, match=r"log was not written.*full"), disk_of(6 + free):
        append_line(log, "ten bytes.")
    append_line(log, "last")
    assert log.read_bytes() == b"first\nlast\n"


@pytest.mark.parametrize("missing", [1, 60])
def test_a_disk_that_fills_up_with_the_last_bytes_is_noticed(tmp_path: Path, missing: int) -> None:
    files.write(MASK, tmp_path / "a.nrrd")
    size = (tmp_path / "a.nrrd").stat().st_size
    with pytest.raises(FileError, match=r"b\.nrrd was not written.*full"), disk_of(size - missing):
        files.write(MASK, tmp_path / "b.nrrd")
    assert [path.name for path in tmp_path.iterdir()] == ["a.nrrd"]


@pytest.mark.parametrize("name", TARGETS)
def test_a_missing_folder_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileError, match=r"not written.*gone does not exist"):
        files.write(content_for(name), tmp_path / "gone" / name)


def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    if os.access(folder, os.W_OK):  # the administrator may write anywhere but into the kernel's own files
        folder = Path("/sys")
    if sys.platform == "win32" or not folder.is_dir():
        pytest.skip("no folder here that forbids writing")
    with pytest.raises(FileError, match=r"not written: no permission.*another folder"):
        files.write(MASK, folder / "a.nii.gz")


def test_a_read_only_file_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "a.nii"
    target.write_bytes(b"precious")
    target.chmod(0o444)
    if os.access(target, os.W_OK):
        pytest.skip("the administrator may write to any file")
    with pytest.raises(FileError, match=r"read-only"):
        files.write(MASK, target)
    assert target.read_bytes() == b"precious"


def test_a_failure_in_the_middle_leaves_no_trace(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"precious")

    def fail() -> None:
        with replacing(target) as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        fail()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"precious"]


def test_the_new_file_takes_the_place_and_the_permissions_of_the_old(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    target.chmod(0o640)
    with replacing(target) as temporary:
        temporary.write_bytes(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert sys.platform == "win32" or target.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "Free some space"), (errno.EROFS, "another folder"), (errno.EIO, "another disk")],
)
def test_each_cause_has_its_remedy(number: int, remedy: str) -> None:
    assert remedy in str(write_error(Path("a.nii"), OSError(number, os.strerror(number))))
