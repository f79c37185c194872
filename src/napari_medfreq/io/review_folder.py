"""The review folder: everything that an annotator decided or painted, safe within a moment.

::

    review.json                 what the folder is, and the version of its format
    events.jsonl                what happened, a line each, appended only
    cases/<id>/case.json        the image, its grid and the regions to look at
    cases/<id>/mask-<n>.npz     the mask after the first n strokes; mask-0 is the model's
    cases/<id>/stroke-<n>.npz   what the n-th stroke left behind in the smallest box around it

A file is written whole or not at all, and a line of ``events.jsonl`` follows the file that it speaks of: whenever the
viewer is killed, the folder holds every stroke and decision but the one being written.
"""

from __future__ import annotations

import json
import os
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from filelock import FileLock, Timeout

from napari_medfreq import __version__
from napari_medfreq.errors import FileError
from napari_medfreq.io.atomic import append_line, replacing, write_error
from napari_medfreq.io.review import STATES, ReviewCase, State, put

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

FORMAT = 1
_ABOUT, _EVENTS, _LOCK, _CASES = "review.json", "events.jsonl", ".lock", "cases"
_MANY_STROKES = 200


class ReviewFolder:
    """A review that is open for writing; nobody else can open it for writing until it is closed.

    Parameters
    ----------
    path : pathlib.Path
        An empty or new folder, or one that was made by this class.

    Raises
    ------
    FileError
        If it holds something else, a newer format or a damaged file, cannot be written, or is open in another window.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._cases: dict[str, ReviewCase] = {}
        self._states: dict[tuple[str, int], State] = {}
        self._strokes: dict[str, int] = {}
        fresh = _check_folder(path)
        self._lock = _locked(path)
        try:
            if fresh:
                _write_json(path / _ABOUT, {"format": FORMAT, "program": f"napari-medfreq {__version__}"})
            self._read()
        except BaseException:
            self.close()
            raise

    @property
    def cases(self) -> dict[str, ReviewCase]:
        """The cases by their id, in the order in which they were added."""
        return dict(self._cases)

    def state(self, case: str, region: int) -> State:
        """Return what became of a region; ``open`` as long as nothing did."""
        return self._states.get((case, region), "open")

    def add(self, case: ReviewCase, mask: npt.NDArray[Any]) -> None:
        """Take up `case` with the `mask` that the model made; a case of the same id is refused.

        Raises
        ------
        FileError
            If it is there already, or cannot be written.
        """
        if case.id in self._cases:
            raise FileError(f"{self.path} already holds a case {case.id!r}; choose another name for the new one.")
        folder = self._folder(case.id)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(folder, error) from error
        _write_array(folder / "mask-0.npz", mask=mask)
        _write_json(folder / "case.json", case.to_dict())
        self._append("case", case=case.id)
        self._cases[case.id] = case
        self._strokes[case.id] = 0

    def set_state(self, case: str, region: int, state: State) -> None:
        """Remember what became of a region."""
        if state not in STATES:
            raise ValueError(f"state {state!r} is not one of {', '.join(STATES)}")
        self._append("state", case=case, region=region, state=state)
        self._states[case, region] = state

    def save_stroke(self, case: str, start: tuple[int, ...], values: npt.NDArray[Any]) -> None:
        """Remember that the mask of `case` now holds `values` from the voxel `start` on.

        Parameters
        ----------
        case : str
            Its id.
        start : tuple of int
            First voxel of the box, along the axes of the mask.
        values : numpy.ndarray
            What the box holds now, after a stroke, an undo or a fill alike.

        Raises
        ------
        FileError
            If it cannot be written; what was saved before is unchanged.
        """
        number = self._strokes[case] + 1
        _write_array(self._folder(case) / f"stroke-{number}.npz", start=np.array(start), values=values)
        self._append("stroke", case=case, number=number)
        self._strokes[case] = number

    def mask(self, case: str) -> npt.NDArray[Any]:
        """Return the mask of `case` with all strokes.

        Raises
        ------
        FileError
            If a file of it is missing or damaged.
        """
        folder = self._folder(case)
        last = self._strokes[case]
        whole = max((n for n in _numbers(folder, "mask") if n <= last), default=0)
        mask: npt.NDArray[Any] = _read_arrays(folder / f"mask-{whole}.npz")["mask"].copy()
        for number in range(whole + 1, last + 1):
            stroke = _read_arrays(folder / f"stroke-{number}.npz")
            put(mask, tuple(int(v) for v in stroke["start"]), stroke["values"])
        return mask

    def close(self) -> None:
        """Give the folder free for others. Nothing has to be saved: all is saved already."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _folder(self, case: str) -> Path:
        return self.path / _CASES / case

    def _append(self, kind: str, **values: Any) -> None:
        entry = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "kind": kind, **values}
        append_line(self.path / _EVENTS, json.dumps(entry))

    def _read(self) -> None:
        for event in self._events():
            case = event["case"]
            if event["kind"] == "case":
                self._cases[case] = _read_case(self._folder(case) / "case.json")
                self._strokes[case] = 0
            elif event["kind"] == "state":
                self._states[case, event["region"]] = event["state"]
            elif event["kind"] == "stroke":
                self._strokes[case] = event["number"]
        for case in self._cases:
            for abandoned in self._folder(case).glob(".*"):
                abandoned.unlink()  # a file that was being written when the viewer was killed
            self._compact(case)

    def _events(self) -> Iterator[dict[str, Any]]:
        """Read the lines; cut off the end of one that was being written when the viewer was killed."""
        path = self.path / _EVENTS
        content = path.read_bytes() if path.exists() else b""
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)
        for number, line in enumerate(content[:whole].splitlines(), start=1):
            try:
                event = json.loads(line)
                yield {"kind": event["kind"], "case": event["case"], **event}
            except (ValueError, KeyError, TypeError) as error:
                raise FileError(
                    f"{path}, line {number} is damaged, so the review was not opened and nothing was changed. "
                    "Restore the folder from a copy, or delete that line."
                ) from error

    def _compact(self, case: str) -> None:
        """Replace many strokes by the mask that they lead to, so that opening stays quick."""
        folder, last = self._folder(case), self._strokes[case]
        if last - max(_numbers(folder, "mask"), default=0) < _MANY_STROKES:
            return
        _write_array(folder / f"mask-{last}.npz", mask=self.mask(case))
        for number in _numbers(folder, "stroke"):
            if number <= last:
                (folder / f"stroke-{number}.npz").unlink()


def _check_folder(path: Path) -> bool:
    """Return whether `path` is to become a review; refuse what is something else or newer."""
    about = path / _ABOUT
    if not about.exists():
        if path.exists() and (not path.is_dir() or any(p.name != _LOCK for p in path.iterdir())):
            raise FileError(f"{path} is not a review and not empty; choose an empty folder for a new review.")
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(path, error) from error
        return True
    values = _read_json(about)
    version = values.get("format") if isinstance(values, dict) else None
    if not isinstance(version, int):
        raise FileError(f"{about} is damaged: it does not say which format the review has. Restore it from a copy.")
    if version > FORMAT:
        raise FileError(
            f"{path} was made by a newer version ({values.get('program', 'unknown')}) and was not touched. "
            "Update napari-medfreq to go on with it."
        )
    return False


def _locked(path: Path) -> FileLock:
    lock = FileLock(path / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise FileError(
            f"{path} is open for review in another window or on another computer. Close it there first, so that "
            "neither overwrites what the other does."
        ) from error
    except OSError as error:
        raise write_error(path, error) from error
    return lock


def _numbers(folder: Path, kind: str) -> list[int]:
    stems = (file.stem.removeprefix(f"{kind}-") for file in folder.glob(f"{kind}-*.npz"))
    return sorted(int(stem) for stem in stems if stem.isdigit())


def _write_json(path: Path, values: dict[str, Any]) -> None:
    with replacing(path) as scratch:
        scratch.write_text(json.dumps(values, indent=1), encoding="utf-8")


def _write_array(path: Path, **arrays: npt.NDArray[Any]) -> None:
    with replacing(path) as scratch, zipfile.ZipFile(scratch, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}. Check the disk and your permissions.") from error
    except ValueError as error:
        raise FileError(f"{path} is damaged ({error}). Restore it from a copy.") from error


def _read_case(path: Path) -> ReviewCase:
    values = _read_json(path)
    try:
        return ReviewCase.from_dict(values)
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path} is damaged ({error!r}). Restore it from a copy.") from error


def _read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise FileError(f"{path} is missing or damaged ({error}). Restore it from a copy.") from error
