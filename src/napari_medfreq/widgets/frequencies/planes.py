"""The plane of a layer that is on screen: which one, what it holds, and where results for it are to lie.

Of lazy and memory-mapped layers only the plane is read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from napari_medfreq.engine.anatomy import PLANES, Plane
from napari_medfreq.volume import Volume, display_orientation
from napari_medfreq.widgets.placement import METADATA, Placement, as_stored, valid_placement, world_matrix
from napari_medfreq.widgets.volumes import millimetres_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from napari.components import Dims
    from napari.layers import Layer

PlaneChoice: TypeAlias = Plane | Literal["shown"]
_COLOURS = ("red", "green", "blue")


@dataclass(frozen=True, eq=False)
class ShownPlane:
    """One orthogonal plane of a layer.

    Attributes
    ----------
    layer : napari.layers.Layer
        Whose plane it is.
    axes : tuple of int
        The layer's axes that run down and across the plane.
    position : tuple of int
        Index along each axis of the layer; 0 along `axes`.
    """

    layer: Layer
    axes: tuple[int, int]
    position: tuple[int, ...]

    @property
    def across(self) -> int | None:
        """Axis that the plane cuts, of the last three; None for an image of one plane."""
        rest = [axis for axis in range(max(self.layer.ndim - 3, 0), self.layer.ndim) if axis not in self.axes]
        return rest[0] if self.layer.ndim >= 3 and rest else None

    @property
    def plane(self) -> Plane:
        """What the plane is called."""
        return "axial" if self.across is None else PLANES[self.across - (self.layer.ndim - 3)]

    @property
    def text(self) -> str:
        """Which plane it is, in words: empty for an image of one plane."""
        if self.across is None:
            return ""
        count = shape_of(self.layer)[self.across]
        return f"{self.plane} plane {self.position[self.across]} of 0 to {count - 1}"

    def same_as(self, other: ShownPlane | None) -> bool:
        """Return whether `other` is this plane of this layer."""
        return other is not None and (self.layer, self.axes, self.position) == (
            other.layer,
            other.axes,
            other.position,
        )


def shown_plane(layer: Layer, dims: Dims, choice: PlaneChoice = "shown") -> ShownPlane:
    """Return the plane of `layer` that the viewer shows, or the one through the viewer's position that was chosen."""
    shape = shape_of(layer)
    if choice == "shown" or layer.ndim == 2:
        offset = dims.ndim - layer.ndim
        axes = sorted(axis - offset for axis in dims.displayed[-2:])
        if axes[0] < 0:
            # An image of two dimensions has one plane, whatever the viewer shows.
            axes = [layer.ndim - 2, layer.ndim - 1]
    else:
        cut = layer.ndim - 3 + PLANES.index(choice)
        axes = [axis for axis in range(layer.ndim - 3, layer.ndim) if axis != cut]
    point = np.asarray(layer.world_to_data(dims.point))[-layer.ndim :]
    position = [int(np.clip(round(float(point[axis])), 0, shape[axis] - 1)) for axis in range(layer.ndim)]
    for axis in axes:
        position[axis] = 0
    return ShownPlane(layer, (axes[0], axes[1]), tuple(position))


def read_plane(shown: ShownPlane) -> Volume:
    """Return the plane as a 2D volume with the spacing of its pixels. May take long for a lazy layer."""
    layer = shown.layer
    data = layer.data[0] if layer.multiscale else layer.data
    cut = tuple(slice(None) if axis in shown.axes else shown.position[axis] for axis in range(layer.ndim))
    pixels: npt.NDArray[Any] = np.asarray(data[cut])
    channels: tuple[str, ...] = ()
    if getattr(layer, "rgb", False):
        pixels = np.moveaxis(pixels[..., :3], -1, 0)
        channels = _COLOURS
    spacing, calibrated = _spacing(layer, shown.axes)
    affine = np.diag([spacing[1], spacing[0], 1.0, 1.0])
    return Volume(
        pixels, affine, "cyx" if channels else "yx", channels, name=layer.name, calibrated=calibrated, kind="image"
    )


def shape_of(layer: Layer) -> tuple[int, ...]:
    """Return the lengths of the layer's axes, without its colours."""
    data = layer.data[0] if layer.multiscale else layer.data
    return tuple(int(length) for length in data.shape[: layer.ndim])


def in_plane(shown: ShownPlane, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return grey `pixels`, (rows, columns), with the axes of the layer; those across the plane have length 1."""
    return np.expand_dims(pixels, tuple(axis for axis in range(shown.layer.ndim) if axis not in shown.axes))


def in_layer(shown: ShownPlane, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return `pixels`, (..., rows, columns) with colours in front, with the axes of the layer; others have length 1."""
    if getattr(shown.layer, "rgb", False) and pixels.ndim == 3:
        pixels = np.moveaxis(pixels, 0, -1)
    return in_plane(shown, pixels)


def placed(shown: ShownPlane, grid: npt.NDArray[np.floating[Any]] | None = None) -> dict[str, Any]:
    """Return the keywords that put a result of this plane exactly on the layer, wherever that was moved.

    Parameters
    ----------
    shown : ShownPlane
        The plane.
    grid : numpy.ndarray, shape (4, 4), optional
        From the result's pixel ``(x, y, z, 1)`` to pixels of the plane, where these differ.
    """
    layer = shown.layer
    down, across = shown.axes
    start = np.array(shown.position, dtype=np.float64)
    scale = np.array(layer.scale, dtype=np.float64)
    if grid is not None:
        scale[across] *= grid[0, 0]
        scale[down] *= grid[1, 1]
        start[across], start[down] = grid[0, 3], grid[1, 3]
    world = np.asarray(layer.data_to_world(start), dtype=np.float64)[-layer.ndim :]
    translate = np.linalg.solve(layer.affine.linear_matrix, world - layer.affine.translate)
    keywords: dict[str, Any] = {key: getattr(layer, key) for key in ("rotate", "shear", "affine", "units")}
    keywords |= {"scale": tuple(scale), "translate": tuple(translate), "axis_labels": layer.axis_labels}
    return keywords


def remember_place(shown: ShownPlane, result: Layer) -> None:
    """Tell `result`, a plane on its source's pixels, where the source lies: there it is exported and segmented."""
    placement = valid_placement(shown.layer)
    across = shown.across
    if placement is None or across is None or shown.layer.ndim != 3:
        result.metadata.pop(METADATA, None)
        return
    grid, turn = placement.grid, placement.orientation
    axis, index = _stored(turn.order, turn.flips, grid.spatial_shape, across, shown.position[across])
    affine = grid.affine.copy()
    affine[:3, 3] += affine[:3, 2 - axis] * index
    shape = list(grid.data.shape)
    shape[grid.data.ndim - 3 + axis] = 1
    data = np.broadcast_to(np.zeros((), np.float32), shape)
    result.metadata[METADATA] = Placement(replace(grid, data=data, affine=affine), turn, world_matrix(result))


def plane_index(shown: ShownPlane, volume: Volume) -> tuple[Plane, int, int]:
    """Return plane, index and frame of `shown` as `napari_medfreq.engine.anatomy.plane_of` counts them in `volume`.

    Parameters
    ----------
    volume : Volume
        What `napari_medfreq.widgets.volumes.volume_of` gave for the layer.
    """
    layer, across = shown.layer, shown.across
    frame = shown.position[0] if volume.axes[0] == "t" else 0
    if len(volume.spatial_axes) == 2 or across is None:
        return "axial", 0, frame
    placement = valid_placement(layer)
    turn = placement.orientation if placement is not None else as_stored(volume)
    lead = layer.ndim - 3
    axis, index = _stored(turn.order, turn.flips, volume.spatial_shape, across - lead, shown.position[across])
    display = display_orientation(volume)
    seen = display.order.index(axis)
    return PLANES[seen], volume.spatial_shape[axis] - 1 - index if display.flips[seen] else index, frame


def _stored(
    order: Sequence[int], flips: Sequence[bool], shape: Sequence[int], axis: int, index: int
) -> tuple[int, int]:
    """Return which axis and index of the source are shown as `axis` and `index`."""
    source = order[axis]
    return source, shape[source] - 1 - index if flips[axis] else index


def _spacing(layer: Layer, axes: tuple[int, int]) -> tuple[tuple[float, float], bool]:
    """Return the distance of the plane's pixels down and across, and whether it is in mm."""
    placement = layer.metadata.get(METADATA)
    linear = world_matrix(layer)[:-1, :-1]
    lengths = np.linalg.norm(linear, axis=0)[list(axes)]
    millimetres = [millimetres_of(layer.units[axis]) for axis in axes]
    known = all(value > 0 for value in millimetres)
    calibrated = known or (not isinstance(placement, Placement) and not np.allclose(lengths, 1.0))
    if isinstance(placement, Placement):
        calibrated = placement.grid.calibrated
    factors = np.array(millimetres if known else (1.0, 1.0))
    down, across = (float(value) for value in lengths * factors)
    return ((down, across) if calibrated else (1.0, 1.0)), calibrated
