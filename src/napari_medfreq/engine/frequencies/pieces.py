"""What is transformed at once: a volume as planes, or as the volumes of its frames and channels. Views, no copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_medfreq.engine.anatomy import PLANES, plane_count, plane_of
from napari_medfreq.volume import display_orientation

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_medfreq.engine.anatomy import Plane
    from napari_medfreq.engine.frequencies.options import FrequencyOptions
    from napari_medfreq.volume import Volume


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a volume that is transformed on its own.

    Attributes
    ----------
    image : Volume
        A view of it: axes ``yx`` or ``cyx``, or ``zyx`` in three dimensions.
    region : tuple of (start, stop)
        Where it lies in the data of the volume, for each axis.
    lead : int
        Number of its frame, or of its channel in three dimensions; 0 where there is one only.
    index : int
        Number of its plane; 0 in three dimensions.
    """

    image: Volume
    region: tuple[tuple[int, int], ...]
    lead: int = 0
    index: int = 0


def piece_count(volume: Volume, options: FrequencyOptions) -> int:
    """Return how many pieces there are."""
    if in_three_dimensions(volume, options):
        return volume.data.shape[0] if volume.data.ndim == 4 else 1
    return _frames(volume) * plane_count(volume, options.plane)


def pieces(volume: Volume, options: FrequencyOptions) -> Iterator[Piece]:
    """Yield the pieces of `volume` that `options` ask for, frame by frame."""
    if in_three_dimensions(volume, options):
        yield from _whole(volume)
        return
    for frame in range(_frames(volume)):
        for index in range(plane_count(volume, options.plane)):
            image = plane_of(volume, options.plane, index, frame)
            yield Piece(image, _plane_region(volume, options.plane, index, frame), frame, index)


def view_of(volume: Volume, options: FrequencyOptions, piece: Piece) -> npt.NDArray[Any]:
    """Return the part of the data of `volume` that stands for `piece` of another volume of as many planes: a view."""
    if not in_three_dimensions(volume, options):
        return plane_of(volume, options.plane, piece.index, piece.lead).data
    whole: npt.NDArray[Any] = volume.data[piece.lead] if volume.data.ndim == 4 else volume.data
    return whole


def in_three_dimensions(volume: Volume, options: FrequencyOptions) -> bool:
    """Return whether `volume` is transformed as a whole."""
    return options.scope == "volume" and len(volume.spatial_axes) == 3


def _frames(volume: Volume) -> int:
    return volume.data.shape[0] if volume.axes[0] == "t" else 1


def _whole(volume: Volume) -> Iterator[Piece]:
    spatial = tuple((0, length) for length in volume.spatial_shape)
    if volume.data.ndim == 3:
        yield Piece(volume, spatial)
        return
    for lead, part in enumerate(volume.data):
        yield Piece(volume.like(part, axes="zyx"), ((lead, lead + 1), *spatial), lead)


def _plane_region(volume: Volume, plane: Plane, index: int, frame: int) -> tuple[tuple[int, int], ...]:
    bounds = [(0, length) for length in volume.data.shape]
    if volume.axes[0] == "t":
        bounds[0] = (frame, frame + 1)
    if len(volume.spatial_axes) == 3:
        orientation, across = display_orientation(volume), PLANES.index(plane)
        axis = orientation.order[across]
        length = volume.spatial_shape[axis]
        start = length - 1 - index if orientation.flips[across] else index
        bounds[axis - 3] = (start, start + 1)
    return tuple(bounds)
