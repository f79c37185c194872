"""From loose DICOM frames to stacks: which belong together, in what order, and where the stack lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_medfreq.errors import FileError
from napari_medfreq.volume import LPS_FROM_RAS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_medfreq.io.dicomplane import Plane

# Directions in headers are rounded; a thousandth is 0.06 degrees.
_SAME_DIRECTION = 1e-3
# A gap counts as whole slices that are missing if it is this near to a multiple of the usual gap.
_SAME_STEP = 0.05


@dataclass(frozen=True)
class Stack:
    """Frames on one grid.

    Attributes
    ----------
    planes : tuple of tuple of (Plane or None)
        ``planes[t][z]``, feet first along the normal; None where a slice is missing.
    affine : numpy.ndarray, shape (4, 4)
        Voxel (x, y, z) to world mm, RAS+.
    is_volume : bool
        Whether there is more than one place.
    calibrated : bool
        Whether the files state a pixel size.
    notes : tuple of str
        What is irregular about the stack, for the user.
    """

    planes: tuple[tuple[Plane | None, ...], ...]
    affine: npt.NDArray[np.float64]
    is_volume: bool
    calibrated: bool
    notes: tuple[str, ...] = ()

    @property
    def first(self) -> Plane:
        """Some frame of the stack."""
        return next(plane for plane in self.planes[0] if plane is not None)

    @property
    def count(self) -> int:
        """How many frames there are, missing ones not counted."""
        return sum(plane is not None for row in self.planes for plane in row)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the volume's data, without colours."""
        frames = (len(self.planes),) if len(self.planes) > 1 else ()
        slices = (len(self.planes[0]),) if self.is_volume else ()
        return frames + slices + self.first.shape


def stacks_of(planes: Sequence[Plane]) -> list[Stack]:
    """Sort `planes` into stacks of one series, one size and one direction each, in order of their first appearance."""
    groups: dict[tuple[object, ...], list[list[Plane]]] = {}
    for plane in planes:
        size = None if plane.spacing is None else tuple(round(v, 4) for v in plane.spacing)
        placed = plane.position is not None and plane.orientation is not None and plane.spacing is not None
        # Frames without a place belong together only if they come in one file.
        key = (plane.series, plane.shape, size, plane.is_colour, plane.part, None if placed else plane.path)
        _join(groups.setdefault(key, []), plane)
    return [_stack(group) for found in groups.values() for group in found]


def _join(groups: list[list[Plane]], plane: Plane) -> None:
    for group in groups:
        first = group[0].orientation
        if (first is None or plane.orientation is None) or np.allclose(first, plane.orientation, atol=_SAME_DIRECTION):
            group.append(plane)
            return
    groups.append([plane])


def _stack(planes: list[Plane]) -> Stack:
    first = planes[0]
    if first.position is None or first.orientation is None or first.spacing is None:
        rows, columns = first.spacing or (1.0, 1.0)
        # Without a place: as it is looked at, columns to the patient's left and rows downwards.
        affine = np.diag([-columns, -rows, 1.0, 1.0])
        return Stack(tuple((plane,) for plane in planes), affine, False, first.spacing is not None)
    places, notes = _places(planes)
    if len(places) == 1:
        return Stack(tuple((plane,) for plane in places[0]), _affine(first, None), False, True, notes)
    filled, more = _filled(places)
    step = (_position(places[-1][0]) - _position(places[0][0])) / (len(filled) - 1)
    frames = len(places[0])
    rows_of_planes = tuple(tuple(None if p is None else p[t] for p in filled) for t in range(frames))
    return Stack(rows_of_planes, _affine(places[0][0], step), True, True, notes + more)


def _position(plane: Plane) -> npt.NDArray[np.float64]:
    return np.array(plane.position, dtype=np.float64)


def _normal(plane: Plane) -> npt.NDArray[np.float64]:
    """Return the unit normal of a placed `plane`, LPS."""
    row, column = np.array(plane.orientation, dtype=np.float64).reshape(2, 3)
    normal = np.cross(row, column)
    length = np.linalg.norm(normal)
    if length < 0.9:
        raise FileError(
            f"{plane.path}: its header gives directions that span no plane {plane.orientation}. Export the image again."
        )
    unit: npt.NDArray[np.float64] = normal / length
    return unit


def _places(planes: list[Plane]) -> tuple[list[list[Plane]], tuple[str, ...]]:
    """Return the planes at each place along the normal, in order of time, as many at each."""
    normal = _normal(planes[0])
    ordered = sorted(planes, key=lambda plane: float(_position(plane) @ normal))
    tolerance = min(0.05, min(planes[0].spacing or (0.5,)) / 10)
    places: list[list[Plane]] = []
    for plane in ordered:
        if places and (_position(plane) - _position(places[-1][0])) @ normal <= tolerance:
            places[-1].append(plane)
        else:
            places.append([plane])
    for place in places:
        place.sort(key=lambda plane: plane.order)
    fewest, most = min(map(len, places)), max(map(len, places))
    if fewest == most:
        return places, ()
    left_out = len(planes) - fewest * len(places)
    note = (
        f"{left_out} images lie at the place of another and were left out: the series has duplicates or was cut short."
    )
    return [place[:fewest] for place in places], (note,)


def _filled(places: list[list[Plane]]) -> tuple[list[list[Plane] | None], tuple[str, ...]]:
    """Return `places` with None where whole slices are missing, and what is irregular about their distances."""
    normal = _normal(places[0][0])
    along = np.array([_position(place[0]) @ normal for place in places])
    gaps = np.diff(along)
    usual = float(np.median(gaps))
    steps = np.maximum(np.rint(gaps / usual), 1).astype(int)
    missing = int(steps.sum()) - len(gaps)
    whole = bool((np.abs(gaps / steps - usual) < _SAME_STEP * usual).all())
    if not whole or missing > len(places):
        steps, missing = np.ones(len(gaps), dtype=int), 0
    filled: list[list[Plane] | None] = [places[0]]
    for place, count in zip(places[1:], steps, strict=True):
        filled += [None] * (int(count) - 1) + [place]
    notes = []
    if missing:
        notes.append(f"{missing} of {len(filled)} slices are missing; they are shown empty, at their place.")
    deviation = _deviation(filled)
    if deviation > max(0.1, 0.02 * usual):
        notes.append(
            f"The slices are not evenly spaced ({gaps.min():.2f} to {gaps.max():.2f} mm): what is shown as one grid is "
            f"up to {deviation:.1f} mm off its place. Do not measure across slices."
        )
    return filled, tuple(notes)


def _deviation(filled: list[list[Plane] | None]) -> float:
    """Return how far, at most, a slice lies from the evenly spaced grid, in mm."""
    found = [(index, _position(place[0])) for index, place in enumerate(filled) if place is not None]
    start, step = found[0][1], (found[-1][1] - found[0][1]) / found[-1][0]
    return float(max(np.linalg.norm(position - (start + index * step)) for index, position in found))


def _affine(plane: Plane, step: npt.NDArray[np.float64] | None) -> npt.NDArray[np.float64]:
    row, column = np.array(plane.orientation, dtype=np.float64).reshape(2, 3)
    between_rows, between_columns = plane.spacing or (1.0, 1.0)
    lps = np.eye(4)
    lps[:3, 0] = row * between_columns
    lps[:3, 1] = column * between_rows
    lps[:3, 2] = _normal(plane) * plane.thickness if step is None else step
    lps[:3, 3] = _position(plane)
    ras: npt.NDArray[np.float64] = LPS_FROM_RAS @ lps
    return ras
