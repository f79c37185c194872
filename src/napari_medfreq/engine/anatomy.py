"""The anatomical planes of a volume: axial, coronal and sagittal, as the viewer shows them. No torch, no copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_medfreq.errors import InputError
from napari_medfreq.volume import display_orientation, reoriented_affine

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_medfreq.volume import Axes, Volume

Plane = Literal["axial", "coronal", "sagittal"]
PLANES: tuple[Plane, ...] = ("axial", "coronal", "sagittal")
"""The plane across each axis of a volume in display orientation."""


def plane_count(volume: Volume, plane: Plane) -> int:
    """Return how many planes there are; 1 for a 2D image."""
    if len(volume.spatial_axes) == 2:
        return 1
    return volume.spatial_shape[display_orientation(volume).order[PLANES.index(plane)]]


def plane_of(volume: Volume, plane: Plane, index: int, frame: int = 0) -> Volume:
    """Return one plane of `volume` as a 2D volume that lies where it lay: a view, nothing is copied or converted.

    Parameters
    ----------
    volume : Volume
        2D or 3D, with channels or frames. Only the plane is read, so `data` may be a memory map.
    plane : {"axial", "coronal", "sagittal"}
        Which direction; without meaning for a 2D image.
    index : int
        Which of the planes, counted in display orientation: as the viewer's slider counts.
    frame : int
        Which point in time, where there are several.

    Returns
    -------
    Volume
        Axes ``yx``, or ``cyx`` with the channels of `volume`, rows and columns in display orientation. The third column
        of its affine is the step to the next plane.

    Raises
    ------
    InputError
        If there is no such plane or frame.
    """
    frames = volume.data.shape[0] if volume.axes[0] == "t" else 1
    count = plane_count(volume, plane)
    if not 0 <= index < count:
        raise InputError(f"{volume.name} has {count} {plane} planes, counted from 0; there is no plane {index}.")
    if not 0 <= frame < frames:
        raise InputError(f"{volume.name} has {frames} frames, counted from 0; there is no frame {frame}.")
    data = volume.data[frame] if volume.axes[0] == "t" else volume.data
    axes: Axes = "cyx" if volume.axes[0] == "c" else "yx"
    if len(volume.spatial_axes) == 2:
        return volume.like(data, axes=axes, channels=volume.channels)
    orientation = display_orientation(volume)
    across = PLANES.index(plane)
    turned = orientation.apply(data)
    cut = turned[(slice(None),) * (turned.ndim - 3 + across) + (index,)]
    affine = _plane_affine(reoriented_affine(volume, orientation), across, index)
    return volume.like(cut, axes=axes, channels=volume.channels, affine=affine)


def _plane_affine(affine: npt.NDArray[np.float64], across: int, index: int) -> npt.NDArray[np.float64]:
    """Return the affine of plane `index` across axis `across` (of z, y, x): its columns, its rows, the next plane."""
    first, second = (2 - axis for axis in (0, 1, 2) if axis != across)
    normal = 2 - across
    change = np.zeros((4, 4))
    change[second, 0] = change[first, 1] = change[normal, 2] = change[3, 3] = 1.0
    change[normal, 3] = index
    result: npt.NDArray[np.float64] = affine @ change
    return result
