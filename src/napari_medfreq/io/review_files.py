"""The files of a review folder (see `napari_medfreq.io.review_folder`), read without changing anything."""

from __future__ import annotations

import json
import os
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medfreq.errors import FileError
from napari_medfreq.io.review import ReviewCase, put

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

FORMAT = 1
ABOUT, EVENTS = "review.json", "events.jsonl"


def is_review(path: Path) -> bool:
    """Return whether `path` is a folder that a review was begun in."""
    return (path / ABOUT).is_file()


def check_format(path: Path) -> None:
    """Refuse a review of a newer version.

    Raises
    ------
    FileError
        If it is of one, or does not say of which.
    """
    about = path / ABOUT
    values = _read_json(about)
    version = values.get("format") if isinstance(values, dict) else None
    if not isinstance(version, int):
        raise FileError(f"{about} is damaged: it does not say which format the review has. Restore it from a copy.")
    if version > FORMAT:
        raise FileError(
            f"{path} was made by a newer version ({values.get('program', 'unknown')}) and was not touched. "
            "Update napari-medfreq to go on with it."
        )


def case_folder(path: Path, case: str) -> Path:
    """Return the folder of the case with the id `case` in the review `path`."""
    return path / "cases" / case


def read_events(path: Path, *, mend: bool = False) -> Iterator[dict[str, Any]]:
    """Yield what happened in the review `path`; an end of a line that is being written is passed over.

    Parameters
    ----------
    path : pathlib.Path
        The review folder.
    mend : bool
        Cut that end off; only for who has the folder for writing, since nobody else is writing then.

    Raises
    ------
    FileError
        If a line is damaged.
    """
    log = path / EVENTS
    content = log.read_bytes() if log.exists() else b""
    whole = content.rfind(b"\n") + 1
    if mend and whole < len(content):
        os.truncate(log, whole)
    for number, line in enumerate(content[:whole].splitlines(), start=1):
        try:
            event = json.loads(line)
            yield {"kind": event["kind"], "case": event["case"], **event}
        except (ValueError, KeyError, TypeError) as error:
            raise FileError(
                f"{log}, line {number} is damaged, so the review was not opened and nothing was changed. "
                "Restore the folder from a copy, or delete that line."
            ) from error


def read_case(path: Path, case: str) -> ReviewCase:
    """Return what the review `path` says of a case.

    Raises
    ------
    FileError
        If it is missing or damaged.
    """
    file = case_folder(path, case) / "case.json"
    values = _read_json(file)
    try:
        return ReviewCase.from_dict(values)
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"{file} is damaged ({error!r}). Restore it from a copy.") from error


def read_mask(path: Path, case: str, strokes: int) -> npt.NDArray[Any]:
    """Return the mask of a case after its first `strokes` strokes.

    Raises
    ------
    FileError
        If a file of it is missing or damaged.
    """
    folder = case_folder(path, case)
    whole = max((n for n in numbers(folder, "mask") if n <= strokes), default=0)
    mask: npt.NDArray[Any] = read_arrays(folder / f"mask-{whole}.npz")["mask"].copy()
    for number in range(whole + 1, strokes + 1):
        stroke = read_arrays(folder / f"stroke-{number}.npz")
        put(mask, tuple(int(v) for v in stroke["start"]), stroke["values"])
    return mask


def numbers(folder: Path, kind: str) -> list[int]:
    """Return the numbers of the files ``<kind>-<number>.npz`` in `folder`, rising."""
    stems = (file.stem.removeprefix(f"{kind}-") for file in folder.glob(f"{kind}-*.npz"))
    return sorted(int(stem) for stem in stems if stem.isdigit())


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a ``.npz`` file.

    Raises
    ------
    FileError
        If it is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise FileError(f"{path} is missing or damaged ({error}). Restore it from a copy.") from error


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}. Check the disk and your permissions.") from error
    except ValueError as error:
        raise FileError(f"{path} is damaged ({error}). Restore it from a copy.") from error
