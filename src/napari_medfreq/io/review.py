"""What a review consists of: cases, the regions to look at in each, and what became of them."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from napari_medfreq.errors import FileError, InputError
from napari_medfreq.io.models import LabelName
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_medfreq.volume import Axes

State = Literal["open", "corrected", "accepted", "flagged"]
STATES: tuple[State, ...] = get_args(State)
Bounds = tuple[tuple[int, int], ...]
"""Start and stop along each axis of an array."""


@dataclass(frozen=True)
class ReviewRegion:
    """A connected region where the mask is most likely wrong.

    Parameters
    ----------
    number : int
        Counts from 1 within its case, in the order of `priority`.
    bounds : tuple of (start, stop)
        The smallest box around it, along the axes of the mask.
    centre : tuple of int
        The voxel where it is most uncertain, along the axes of the mask.
    voxels : int
        Its size; what has to be looked at.
    size : float
        The same in `size_unit`.
    size_unit : str
        ``mm³``, ``mm²`` or ``px``.
    label : int
        The label whose outline it belongs to.
    uncertainty : float
        Mean over the region, range [0, 1].
    expected_errors : float
        How many of its voxels are expected to be wrong.
    gain : float
        Expected gain of the case's Dice where it is corrected.
    priority : float
        What the queue is sorted by, highest first: the expected gain for each voxel that has to be looked at.
    """

    number: int
    bounds: Bounds
    centre: tuple[int, ...]
    voxels: int
    size: float
    size_unit: str
    label: int
    uncertainty: float
    expected_errors: float
    gain: float
    priority: float

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ReviewRegion:
        """Return what `dataclasses.asdict` made a dict of, also by way of JSON."""
        bounds = tuple((int(start), int(stop)) for start, stop in values["bounds"])
        return cls(**{**values, "bounds": bounds, "centre": tuple(int(v) for v in values["centre"])})


@dataclass(frozen=True)
class QueueOptions:
    """What becomes a region of the queue.

    Parameters
    ----------
    doubt : float
        A voxel is doubtful where the chance that its label is wrong is at least this, range (0, 0.5].
    reach : int, optional
        Regions that are longer than this along any axis, in voxels, are divided; by default than a twelfth of the
        longer side of a slice, at least 16.
    smallest : int
        Smaller regions, in voxels, are passed over.
    """

    doubt: float = 0.2
    reach: int | None = None
    smallest: int = 8

    def __post_init__(self) -> None:
        if not 0.0 < self.doubt <= 0.5:
            raise InputError(f"doubt must lie above 0 and at most at 0.5, not {self.doubt}.")
        if (self.reach is not None and self.reach < 4) or self.smallest < 1:
            raise InputError(
                f"regions must reach over at least 4 voxels and hold at least 1, not {self.reach} and {self.smallest}."
            )


@dataclass(frozen=True, eq=False)
class Queue:
    """The regions of one case.

    Attributes
    ----------
    regions : tuple of ReviewRegion
        Best first.
    map : numpy.ndarray, int32, shape of the mask
        Which region a voxel belongs to, by its `number`; 0 is none.
    expected_dice : float
        Of the mask as it is, mean over its labels, range [0, 1].
    """

    regions: tuple[ReviewRegion, ...]
    map: npt.NDArray[np.int32]
    expected_dice: float


@dataclass(frozen=True, eq=False)
class RegionVoxels:
    """Which voxels belong to which region, and what the model said of them: a few MB where a map takes hundreds.

    Attributes
    ----------
    places : numpy.ndarray, int64, shape (n,)
        Flat indices into the mask (C order), rising.
    owners : numpy.ndarray, int32, shape (n,)
        The `number` of each one's region.
    values : numpy.ndarray, the mask's dtype, shape (n,)
        What the mask said there when the review began.
    """

    places: npt.NDArray[np.int64]
    owners: npt.NDArray[np.int32]
    values: npt.NDArray[Any]

    @classmethod
    def of(cls, regions: npt.NDArray[np.int32], mask: npt.NDArray[Any]) -> RegionVoxels:
        """Return the voxels of a map of regions (`Queue.map`) on the `mask` of the same shape."""
        flat = regions.reshape(-1)
        places = np.flatnonzero(flat)
        return cls(places, flat[places], mask.reshape(-1)[places].copy())

    def of_region(self, number: int) -> npt.NDArray[np.int64]:
        """Return the flat indices of the region `number`."""
        places: npt.NDArray[np.int64] = self.places[self.owners == number]
        return places

    def touched(self, places: npt.NDArray[np.int64]) -> list[int]:
        """Return the numbers of the regions that own any of the voxels with the flat indices `places`."""
        found = np.searchsorted(self.places, places)
        found[found == len(self.places)] = 0
        own = self.places[found] == places if len(self.places) else np.zeros(len(places), bool)
        return [int(number) for number in np.unique(self.owners[found[own]])]

    def differs(self, number: int, mask: npt.NDArray[Any]) -> bool:
        """Return whether the `mask` no longer says in the region `number` what the model said."""
        own = self.owners == number
        places = np.unravel_index(self.places[own], mask.shape)
        return bool((mask[places] != self.values[own]).any())


@dataclass(frozen=True)
class ReviewCase:
    """An image under review.

    Parameters
    ----------
    id : str
        The name of its folder within the review.
    name : str
        What to call it on screen.
    grid : Volume
        The mask's grid, without voxels (`data` repeats a single zero).
    digest : str
        SHA-256 of the image's voxels, see `voxel_digest`: a changed image is noticed.
    model : dict
        Name, version and hash of the model that made the mask.
    labels : tuple of LabelName
        What the mask may hold.
    regions : tuple of ReviewRegion
        The queue, best first.
    expected_dice : float, optional
        Of the mask as the model made it, range [0, 1].
    """

    id: str
    name: str
    grid: Volume
    digest: str
    model: dict[str, str] = field(default_factory=dict)
    labels: tuple[LabelName, ...] = ()
    regions: tuple[ReviewRegion, ...] = ()
    expected_dice: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; the grid's header is left out, since the source file has it."""
        grid = self.grid
        return {
            "id": self.id,
            "name": self.name,
            "digest": self.digest,
            "model": self.model,
            "labels": [asdict(label) for label in self.labels],
            "regions": [asdict(region) for region in self.regions],
            "expected_dice": self.expected_dice,
            "grid": {
                "shape": list(grid.data.shape),
                "dtype": str(grid.data.dtype),
                "affine": grid.affine.tolist(),
                "axes": grid.axes,
                "calibrated": grid.calibrated,
                "source": None if grid.source is None else str(grid.source),
            },
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ReviewCase:
        """Return the case that `to_dict` described.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it did not.
        """
        stored = values["grid"]
        axes: Axes = stored["axes"]
        grid = Volume(
            np.broadcast_to(np.zeros((), stored["dtype"]), tuple(stored["shape"])),
            np.array(stored["affine"], dtype=np.float64),
            axes,
            kind="labels",
            name=values["name"],
            calibrated=stored["calibrated"],
            source=None if stored["source"] is None else Path(stored["source"]),
        )
        return cls(
            id=values["id"],
            name=values["name"],
            grid=grid,
            digest=values["digest"],
            model=values["model"],
            labels=tuple(LabelName(**label) for label in values["labels"]),
            regions=tuple(ReviewRegion.from_dict(region) for region in values["regions"]),
            expected_dice=values["expected_dice"],
        )


def new_case(name: str, image: Volume, mask: Volume, taken: set[str] | frozenset[str] = frozenset()) -> ReviewCase:
    """Return a case without regions for the `mask` of `image`; its id is made of `name` and not one of `taken`."""
    stem = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name).strip("-")[:60] or "case"
    names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, len(taken) + 2))
    grid = replace(mask, data=np.broadcast_to(np.zeros((), mask.data.dtype), mask.data.shape))
    lower = {other.lower() for other in taken}  # some file systems do not tell A from a
    return ReviewCase(next(n for n in names if n.lower() not in lower), name, grid, voxel_digest(image))


def voxel_digest(volume: Volume) -> str:
    """Return the SHA-256 of the voxels of `volume`, their type and their shape; not of its file."""
    digest = hashlib.sha256(f"{volume.data.dtype.str}{volume.data.shape}".encode())
    for part in volume.data if volume.data.ndim > 2 else volume.data[None]:
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def check_source(case: ReviewCase, image: Volume) -> None:
    """Refuse an image that is not the one under review.

    Raises
    ------
    FileError
        If it has changed since the review began.
    """
    if voxel_digest(image) != case.digest:
        raise FileError(
            f"{image.source or image.name} has changed since the review of {case.name} began, so its mask may no "
            "longer fit. Open the image as it was, or begin a new review; the old one stays as it is."
        )


def put(labels: npt.NDArray[Any], start: tuple[int, ...], values: npt.NDArray[Any]) -> None:
    """Write `values` into `labels` from the voxel `start` on, in place."""
    labels[tuple(slice(first, first + length) for first, length in zip(start, values.shape, strict=True))] = values
