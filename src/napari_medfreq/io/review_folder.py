"""The review folder: everything that an annotator decided or painted, safe within a moment.

::

    review.json                 what the folder is, and the version of its format
    events.jsonl                what happened, a line each, appended only
    cases/<id>/case.json        the image, its grid and the regions to look at
    cases/<id>/regions.npz      which voxels belong to which region
    cases/<id>/mask-<n>.npz     the mask after the first n strokes; mask-0 is the model's
    cases/<id>/stroke-<n>.npz   what the n-th stroke left behind in the smallest box around it

A file is written whole or not at all, and a line of ``events.jsonl`` follows the file that it speaks of: whenever the
viewer is killed, the folder holds every stroke and decision but the one being written.
"""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from filelock import FileLock, Timeout

from napari_medfreq import __version__
from napari_medfreq.errors import FileError
from napari_medfreq.io.atomic import append_line, replacing, write_error
from napari_medfreq.io.review import STATES, RegionVoxels, ReviewCase, State
from napari_medfreq.io.review_files import (
    ABOUT,
    EVENTS,
    FORMAT,
    case_folder,
    check_format,
    is_review,
    numbers,
    read_arrays,
    read_case,
    read_events,
    read_mask,
)

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

_LOCK = ".lock"
__all__ = ["FORMAT", "ReviewFolder", "is_review"]

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
                _write_json(path / ABOUT, {"format": FORMAT, "program": f"napari-medfreq {__version__}"})
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

    def add(self, case: ReviewCase, mask: npt.NDArray[Any], voxels: RegionVoxels | None = None) -> None:
        """Take up `case` with the `mask` that the model made and the `voxels` of its regions.

        A case of the same id is refused.

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
        if voxels is not None:
            _write_array(folder / "regions.npz", **vars(voxels))
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
        return read_mask(self.path, case, self._strokes[case])

    def voxels(self, case: str) -> RegionVoxels:
        """Return the voxels of the regions of `case`; raises as `mask` does."""
        return RegionVoxels(**read_arrays(self._folder(case) / "regions.npz"))

    def close(self) -> None:
        """Give the folder free for others. Nothing has to be saved: all is saved already."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _folder(self, case: str) -> Path:
        return case_folder(self.path, case)

    def _append(self, kind: str, **values: Any) -> None:
        entry = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "kind": kind, **values}
        append_line(self.path / EVENTS, json.dumps(entry))

    def _read(self) -> None:
        for event in read_events(self.path, mend=True):
            case = event["case"]
            if event["kind"] == "case":
                self._cases[case] = read_case(self.path, case)
                self._strokes[case] = 0
            elif event["kind"] == "state":
                self._states[case, event["region"]] = event["state"]
            elif event["kind"] == "stroke":
                self._strokes[case] = event["number"]
        for case in self._cases:
            for abandoned in self._folder(case).glob(".*"):
                abandoned.unlink()  # a file that was being written when the viewer was killed
            self._compact(case)

    def _compact(self, case: str) -> None:
        """Replace many strokes by the mask that they lead to, so that opening stays quick."""
        folder, last = self._folder(case), self._strokes[case]
        if last - max(numbers(folder, "mask"), default=0) < _MANY_STROKES:
            return
        _write_array(folder / f"mask-{last}.npz", mask=self.mask(case))
        for number in numbers(folder, "stroke"):
            if number <= last:
                (folder / f"stroke-{number}.npz").unlink()


def _check_folder(path: Path) -> bool:
    """Return whether `path` is to become a review; refuse what is something else or newer."""
    about = path / ABOUT
    if not about.exists():
        if path.exists() and (not path.is_dir() or any(p.name != _LOCK for p in path.iterdir())):
            raise FileError(f"{path} is not a review and not empty; choose an empty folder for a new review.")
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(path, error) from error
        return True
    check_format(path)
    return False


def _locked(path: Path) -> FileLock:
    lock = FileLock(path / _LOCK, thread_local=False)  # opened in one thread, closed in another
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


def _write_json(path: Path, values: dict[str, Any]) -> None:
    with replacing(path) as scratch:
        scratch.write_text(json.dumps(values, indent=1), encoding="utf-8")


def _write_array(path: Path, **arrays: npt.NDArray[Any]) -> None:
    with replacing(path) as scratch, zipfile.ZipFile(scratch, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
