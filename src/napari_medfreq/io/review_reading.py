"""Reading a review while another window may be writing to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_medfreq.errors import FileError
from napari_medfreq.io.files import read
from napari_medfreq.io.review import ReviewCase, State, check_source, voxel_digest
from napari_medfreq.io.review_files import check_format, read_case, read_events, read_mask

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from napari_medfreq.volume import Volume

_DECIDED: tuple[State, ...] = ("corrected", "accepted")
_TRIES = 3


class ReviewReader:
    """A review as it stood when it was opened for reading: nothing is locked, nothing is written.

    Parameters
    ----------
    path : pathlib.Path
        The review folder.

    Raises
    ------
    FileError
        If it is no review, of a newer format, or damaged.
    """

    def __init__(self, path: Path) -> None:
        check_format(path)
        self.path = path
        self._cases: dict[str, ReviewCase] = {}
        self._states: dict[tuple[str, int], State] = {}
        self._strokes: dict[str, int] = {}
        self._read()

    def _read(self) -> None:
        for event in read_events(self.path):
            case = event["case"]
            if event["kind"] == "case":
                self._cases[case] = read_case(self.path, case)
                self._strokes[case] = 0
            elif event["kind"] == "state":
                self._states[case, event["region"]] = event["state"]
            elif event["kind"] == "stroke":
                self._strokes[case] = event["number"]

    @property
    def cases(self) -> list[ReviewCase]:
        """The cases in the order in which they were added."""
        return list(self._cases.values())

    def decided(self) -> list[ReviewCase]:
        """Return the cases in which at least one region was corrected or accepted."""
        done = {case for (case, _), state in self._states.items() if state in _DECIDED}
        return [case for case in self.cases if case.id in done]

    def mask(self, case: str) -> npt.NDArray[Any]:
        """Return the mask of a case with all strokes that the folder holds.

        Raises
        ------
        FileError
            If a file of it is missing or damaged.
        """
        for _ in range(_TRIES - 1):
            try:
                return read_mask(self.path, case, self._strokes[case])
            except FileError:
                self._read()  # a window that opened the review meanwhile has put many strokes into one
        return read_mask(self.path, case, self._strokes[case])

    def mask_volume(self, case: ReviewCase) -> Volume:
        """Return `mask` on the grid of its image."""
        return case.grid.like(self.mask(case.id), axes=case.grid.axes, kind="labels", name=case.name)

    def image(self, case: ReviewCase) -> Volume:
        """Return the image of a case from the file that it came from.

        Raises
        ------
        FileError
            If the file is not known, not there, or has changed since the review began.
        """
        source = case.grid.source
        if source is None:
            raise FileError(f"{case.name} has no file: its image was never saved. Save it and review the file.")
        volumes = [part for volume in read(source) for part in (volume, *_channels(volume))]
        for volume in volumes:
            if voxel_digest(volume) == case.digest:
                return volume
        check_source(case, volumes[0])
        return volumes[0]


def _channels(volume: Volume) -> list[Volume]:
    """Return the channels of a volume, each of which may be under review by itself."""
    if volume.axes[0] != "c":
        return []
    rest: Any = volume.axes[1:]
    return [volume.like(channel, axes=rest) for channel in volume.data]
