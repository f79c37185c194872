"""The folder of a session's shared arrays: removed when the session ends, or by a later one if it crashed."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from napari_medfreq.jobs.arrays import SUFFIX

_PREFIX = "napari-medfreq-"
_LOCK = "owner.lock"
# A folder younger than this may belong to a session that has not locked it yet.
_YOUNG_SECONDS = 60.0


class ScratchFolder:
    """A fresh folder that only this user can read, locked for as long as this process lives.

    It lies on disk and not in the shared memory of the system, of which a container has 64 MB.

    Parameters
    ----------
    parent : pathlib.Path, optional
        Where to make it; by default the system's folder for temporary files.
    """

    def __init__(self, parent: Path | None = None) -> None:
        from filelock import FileLock  # 40 ms that the viewer's start does not wait for

        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        self._lock = FileLock(self.path / _LOCK)
        self._lock.acquire(timeout=0)

    def clear(self) -> None:
        """Delete the array files; on Windows those that are still mapped stay until the next call."""
        for file in self.path.glob(f"*{SUFFIX}"):
            with suppress(OSError):
                file.unlink()

    def remove(self) -> None:
        """Delete the folder; what cannot be deleted because it is in use is left to `remove_leftovers`."""
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


def remove_leftovers(parent: Path | None = None) -> list[Path]:
    """Delete the folders of this user's sessions that ended without doing so, and return them.

    A folder is left alone while the process that made it lives, which is known from its lock.
    """
    from filelock import FileLock, Timeout

    removed = []
    for folder in Path(parent or tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError, Timeout):
            if not _is_old_and_ours(folder):
                continue
            with FileLock(folder / _LOCK, timeout=0):
                pass
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder)
    return removed


def _is_old_and_ours(folder: Path) -> bool:
    state = folder.lstat()
    ours = not hasattr(os, "getuid") or state.st_uid == os.getuid()
    return ours and folder.is_dir() and not folder.is_symlink() and time.time() - state.st_mtime > _YOUNG_SECONDS
