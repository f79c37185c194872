"""Writing that leaves either the whole new file or the old one, never half of one."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from napari_medfreq.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def replacing(target: Path, suffix: str | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `target`; what is written there takes the target's place when the block ends well.

    Parameters
    ----------
    target : pathlib.Path
        The file to write. An existing one stays as it was until the new one is complete.
    suffix : str, optional
        Ending of the temporary name, for writers that choose the format by it (``.nii.gz``); the target's by default.

    Raises
    ------
    FileError
        If the folder is missing, may not be written to, or its disk is full. No half-written file is left behind.
    """
    _check_place(target)
    temporary = target.with_name(f".{uuid4().hex}{target.suffix if suffix is None else suffix}")
    try:
        yield temporary
        _flush_to_disk(temporary)
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except OSError as error:
        raise write_error(target, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def append_line(path: Path, line: str) -> None:
    """Append `line` to the file `path`, whole or not at all, and wait until it is on the disk.

    Raises
    ------
    FileError
        If it cannot be written; what the file held before is unchanged.
    """
    rest = memoryview(f"{line}\n".encode())
    try:
        # Unbuffered: what a full disk refused must not be tried again when the file is closed.
        with path.open("ab", buffering=0) as file:
            before = file.seek(0, os.SEEK_END)
            try:
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(before)
                raise
    except OSError as error:
        raise write_error(path, error) from error


def write_error(target: Path, error: OSError) -> FileError:
    """Return the `FileError` that says why `target` could not be written and what to do about it."""
    if error.errno in _FULL:
        return FileError(
            f"{target} was not written: the disk is full. Free some space or save to another disk; "
            "what was there before is unchanged."
        )
    if error.errno in _FORBIDDEN:
        return FileError(f"{target} was not written: no permission to write there. Choose another folder to save to.")
    return FileError(f"{target} was not written: {error.strerror or error}. Try another folder or another disk.")


def _check_place(target: Path) -> None:
    if not target.parent.is_dir():
        raise FileError(f"{target} was not written: the folder {target.parent} does not exist. Create it first.")
    if target.is_dir():
        raise FileError(f"{target} was not written: it is a folder. Choose a file name inside it.")
    if target.exists() and not os.access(target, os.W_OK):
        raise FileError(f"{target} was not written: the file is read-only. Choose another name to save under.")


def _flush_to_disk(path: Path) -> None:
    # A full or broken disk may be noticed only here; before the old file is replaced is the time to know.
    with path.open("r+b") as file:
        os.fsync(file.fileno())
