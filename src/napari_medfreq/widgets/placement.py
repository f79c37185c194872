"""Where a layer lies, and what brings its data back to the grid of their source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_medfreq.volume import Orientation, Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from napari.components import Dims
    from napari.layers import Layer

METADATA = "medfreq"


@dataclass(frozen=True, eq=False)
class Placement:
    """What brings a layer's data back to the grid of their source; kept in ``layer.metadata["medfreq"]``.

    Attributes
    ----------
    grid : Volume
        The source without its voxels (`data` repeats a single zero and takes no memory).
    orientation : Orientation
        How the layer's axes were permuted and flipped.
    world : numpy.ndarray, shape (n + 1, n + 1)
        Where the layer lay in napari's world when it was made; if it was moved since, the screen is right.
    """

    grid: Volume
    orientation: Orientation
    world: npt.NDArray[np.float64]


def world_matrix(layer: Layer) -> npt.NDArray[np.float64]:
    """Return the matrix from the layer's voxel indices to napari's world (both in the order of its axes)."""
    n = layer.ndim
    corners = np.vstack([np.zeros(n), np.eye(n)])
    world = np.array([layer.data_to_world(corner) for corner in corners], dtype=np.float64)
    matrix = np.eye(n + 1)
    matrix[:n, :n] = (world[1:] - world[0]).T
    matrix[:n, n] = world[0]
    return matrix


def without_voxels(volume: Volume) -> Volume:
    """Return `volume` with a single zero, repeated, in place of its voxels."""
    return replace(volume, data=np.broadcast_to(np.zeros((), volume.data.dtype), volume.data.shape))


def as_stored(volume: Volume) -> Orientation:
    """Return the orientation that changes nothing."""
    n = len(volume.spatial_axes)
    return Orientation(tuple(range(n)), (False,) * n)


def valid_placement(layer: Layer) -> Placement | None:
    """Return the layer's placement, unless its data or its place have changed since."""
    placement = layer.metadata.get(METADATA)
    if not isinstance(placement, Placement) or not np.allclose(placement.world, world_matrix(layer), atol=1e-4):
        return None
    shown = placement.orientation.apply(placement.grid.data).shape[-layer.ndim :]
    return placement if tuple(_layer_shape(layer)) == tuple(shown) else None


def borrowed_placement(layer: Layer, reference: Layer) -> Placement | None:
    """Return the placement of `reference` if `layer` has its shape and lies on it, or nowhere in particular."""
    placement = valid_placement(reference)
    if placement is None or tuple(_layer_shape(layer)) != tuple(_layer_shape(reference)):
        return None
    world = world_matrix(layer)
    on_it = np.allclose(world, placement.world, atol=1e-4) or np.allclose(world, np.eye(len(world)))
    return placement if on_it else None


def on_screen(layer: Layer, dims: Dims, region: Sequence[tuple[int, int]]) -> bool:
    """Return whether the slice that is shown crosses a part of the layer's source.

    Parameters
    ----------
    layer : Layer
        A layer with a placement.
    dims : napari.components.Dims
        What the viewer shows.
    region : sequence of (start, stop)
        For each axis of the source array; axes that the layer does not have come first and are passed over.
    """
    turn: Orientation = layer.metadata[METADATA].orientation
    bounds = list(region[-layer.ndim :])
    frames, spatial = bounds[: -len(turn.order)], bounds[-len(turn.order) :]
    shape = _layer_shape(layer)[len(frames) :]
    turned = [
        (size - spatial[source][1], size - spatial[source][0]) if flip else spatial[source]
        for source, flip, size in zip(turn.order, turn.flips, shape, strict=True)
    ]
    position = layer.world_to_data(dims.point)
    hidden = (axis - (dims.ndim - layer.ndim) for axis in dims.not_displayed)
    limits = [*frames, *turned]
    return all(limits[axis][0] <= round(position[axis]) < limits[axis][1] for axis in hidden if axis >= 0)


def _layer_shape(layer: Layer) -> tuple[int, ...]:
    data = layer.data[0] if layer.multiscale else layer.data
    return tuple(data.shape[: layer.ndim])
