"""`Volume`: the one currency of the house, from file to layer to engine and back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_medfreq.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

Kind = Literal["image", "labels", "probability", "uncertainty"]
Axes = Literal["yx", "cyx", "tyx", "zyx", "czyx", "tzyx"]

_AXES = ("yx", "cyx", "tyx", "zyx", "czyx", "tzyx")
LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Volume:
    """An image on a grid that knows where its voxels lie.

    Parameters
    ----------
    data : numpy.ndarray
        Voxels in the order that `axes` names; the last axis is the file's first (``x`` of a NIfTI).
    affine : numpy.ndarray, shape (4, 4), float64
        Maps the voxel index ``(x, y, z, 1)`` to world millimetres, RAS+ (x to the patient's right, y to the front,
        z to the head). Two-dimensional data use ``z = 0``.
    axes : str
        ``yx`` or ``zyx``, with ``c`` (channels, seen together) or ``t`` (frames, seen one by one) before them.
    channels : tuple of str
        One name for each entry of the leading ``c`` axis (``t1``, ``flair``, ``red`` ...), or a single one without it.
    kind : {"image", "labels", "probability", "uncertainty"}
        What the numbers mean.
    name : str
        What to call it on screen.
    calibrated : bool
        False where the source states no voxel size (a photograph): the units are then pixels, not millimetres.
    source : pathlib.Path, optional
        The file or folder it came from.
    header : dict
        What else the file said, as the reader keeps it for the writer of the same format.

    Raises
    ------
    InputError
        If shape, axes, affine and channel names contradict each other.
    """

    data: npt.NDArray[Any]
    affine: npt.NDArray[np.float64] = field(default_factory=lambda: np.eye(4))
    axes: Axes = "zyx"
    channels: tuple[str, ...] = ()
    kind: Kind = "image"
    name: str = "image"
    calibrated: bool = True
    source: Path | None = None
    header: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.axes not in _AXES:
            raise InputError(f"{self.name}: axes {self.axes!r} are not one of {', '.join(_AXES)}.")
        if self.data.ndim != len(self.axes):
            raise InputError(f"{self.name}: data of shape {self.data.shape} do not have the axes {self.axes!r}.")
        affine = np.asarray(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise InputError(f"{self.name}: the affine must be a finite 4x4 matrix, not {affine.shape}.")
        if abs(np.linalg.det(affine[:3, :3])) < 1e-12:
            raise InputError(f"{self.name}: the affine maps the image onto a plane or a line; its header is damaged.")
        object.__setattr__(self, "affine", affine)
        if self.channels and len(self.channels) != self.n_channels:
            raise InputError(f"{self.name}: {len(self.channels)} channel names for {self.n_channels} channels.")

    @property
    def spatial_axes(self) -> str:
        """``yx`` or ``zyx``."""
        return self.axes[-2:] if self.axes in ("yx", "cyx", "tyx") else self.axes[-3:]

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """Length of each of `spatial_axes`, in voxels."""
        return self.data.shape[-len(self.spatial_axes) :]

    @property
    def n_channels(self) -> int:
        """Number of channels; 1 without a channel axis."""
        return self.data.shape[0] if self.axes[0] == "c" else 1

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance between voxel centres along each of `spatial_axes`, in mm (or 1 px where not `calibrated`)."""
        xyz = np.linalg.norm(self.affine[:3, :3], axis=0)
        return tuple(float(v) for v in xyz[: len(self.spatial_axes)][::-1])

    @property
    def units(self) -> str:
        """``mm``, or ``pixel`` where the source states no size."""
        return "mm" if self.calibrated else "pixel"

    def like(self, data: npt.NDArray[Any], **changes: Any) -> Volume:
        """Return `data` on this grid; `axes` defaults to the axes of the same length, without channels."""
        if "axes" not in changes:
            frames = "t" if self.axes[0] == "t" else ""
            changes["axes"] = frames + self.spatial_axes
        return replace(self, data=data, channels=changes.pop("channels", ()), **changes)


@dataclass(frozen=True)
class Orientation:
    """How the axes of a grid are permuted and flipped to lie as a radiologist expects (see `display_orientation`).

    Parameters
    ----------
    order : tuple of int
        ``order[i]`` is the source axis (of the spatial axes) shown as axis ``i``.
    flips : tuple of bool
        Whether shown axis ``i`` runs against its source axis.
    """

    order: tuple[int, ...]
    flips: tuple[bool, ...]

    def apply(self, data: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a view of `data` (any leading axes) with its spatial axes permuted and flipped."""
        lead = data.ndim - len(self.order)
        view = data.transpose(*range(lead), *(lead + axis for axis in self.order))
        return view[self._slices(lead)]

    def undo(self, data: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a view of `data` as it was before `apply`."""
        lead = data.ndim - len(self.order)
        inverse = np.argsort(self.order)
        return data[self._slices(lead)].transpose(*range(lead), *(lead + int(axis) for axis in inverse))

    def _slices(self, lead: int) -> tuple[slice, ...]:
        return (slice(None),) * lead + tuple(slice(None, None, -1) if flip else slice(None) for flip in self.flips)


def display_orientation(volume: Volume) -> Orientation:
    """Return how to show `volume` with rows from front to back, columns from the patient's right to left, feet first.

    This is the radiological convention (LPS, as in DICOM and ITK), to the nearest axis where the grid is oblique.
    Pictures without a voxel size keep the order of their file, and so do 2D images.
    """
    count = len(volume.spatial_axes)
    if count == 2 or not volume.calibrated:
        return Orientation(tuple(range(count)), (False,) * count)
    lps = (LPS_FROM_RAS @ volume.affine)[:3, :3]
    directions = lps / np.linalg.norm(lps, axis=0)
    voxel_of = max(permutations(range(3)), key=lambda axes: sum(abs(directions[w, v]) for w, v in enumerate(axes)))
    # Axes are counted z, y, x in the data and x, y, z in the affine.
    order = tuple(2 - voxel_of[world] for world in (2, 1, 0))
    flips = tuple(bool(directions[world, voxel_of[world]] < 0) for world in (2, 1, 0))
    return Orientation(order, flips)


def reoriented_affine(volume: Volume, orientation: Orientation) -> npt.NDArray[np.float64]:
    """Return the affine of ``orientation.apply(volume.data)``: voxel ``(x, y, z, 1)`` to world mm, RAS+."""
    count = len(orientation.order)
    shape = volume.spatial_shape
    change = np.eye(4)
    change[:count, :count] = 0.0
    for shown, (source, flip) in enumerate(zip(orientation.order, orientation.flips, strict=True)):
        row, column = count - 1 - source, count - 1 - shown
        change[row, column] = -1.0 if flip else 1.0
        change[row, 3] = shape[source] - 1 if flip else 0.0
    result: npt.NDArray[np.float64] = volume.affine @ change
    return result


def obliquity(affine: npt.NDArray[np.float64]) -> float:
    """Return the largest angle in degrees between a voxel axis and its nearest world axis."""
    columns = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return float(np.degrees(np.arccos(np.clip(np.abs(columns).max(axis=0), 0, 1))).max())
