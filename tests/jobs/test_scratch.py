"""The folder for shared arrays never stays behind, and nobody else's is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from napari_medfreq.jobs.scratch import ScratchFolder, remove_leftovers

if TYPE_CHECKING:
    from pathlib import Path

CRASH = """
import os, sys
from pathlib import Path
from napari_medfreq.jobs.scratch import ScratchFolder
(ScratchFolder(Path(sys.argv[1])).path / "1-request-0.array").write_bytes(b"old")
os._exit(1)
"""


def age(folder: Path) -> None:
    os.utime(folder, (0, 0))


def test_clear_keeps_what_is_no_array(tmp_path: Path) -> None:
    scratch = ScratchFolder(tmp_path)
    (scratch.path / "1-request-0.array").write_bytes(b"x")
    (scratch.path / "child.log").write_bytes(b"x")
    scratch.clear()
    assert "child.log" in {file.name for file in scratch.path.iterdir()}
    assert list(scratch.path.glob("*.array")) == []
    scratch.remove()
    assert list(tmp_path.iterdir()) == []


def test_only_this_user_can_read_it(tmp_path: Path) -> None:
    scratch = ScratchFolder(tmp_path)
    if os.name == "posix":
        assert scratch.path.stat().st_mode & 0o077 == 0
    scratch.remove()


def test_leftovers_of_a_crash_go_and_living_sessions_stay(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", CRASH, str(tmp_path)], check=False).returncode == 1
    (crashed,) = tmp_path.iterdir()
    assert remove_leftovers(tmp_path) == []  # too young: its owner may be about to lock it
    age(crashed)
    living = ScratchFolder(tmp_path)
    age(living.path)
    assert remove_leftovers(tmp_path) == [crashed]
    assert list(tmp_path.iterdir()) == [living.path]
    living.remove()


def test_links_and_other_folders_are_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "precious"
    other.mkdir()
    (other / "scan.nii").write_bytes(b"x")
    if os.name == "posix":
        (tmp_path / "napari-medfreq-link").symlink_to(other)
    (tmp_path / "napari-medfreq-file").write_bytes(b"x")
    age(tmp_path / "napari-medfreq-file")
    age(other)
    assert remove_leftovers(tmp_path) == []
    assert (other / "scan.nii").exists()
    assert (tmp_path / "napari-medfreq-file").exists()
