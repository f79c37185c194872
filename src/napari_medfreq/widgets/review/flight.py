"""Bring a box of a layer before the user's eyes: its slice, its centre, and near enough to paint in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_medfreq.io.review import Bounds

# The region takes a quarter of the view, and the view shows at least so many voxels: context tells what it is.
_MARGIN = 4.0
_LEAST_VOXELS = 80
_CANVAS = (600, 600)


def fly_to(viewer: Viewer, layer: Layer, bounds: Bounds, centre: Sequence[int], *, zoom: bool) -> None:
    """Show the voxel `centre` of `layer` in the middle, on its slice, in 2D and 3D views of any order of axes.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.
    layer : napari.layers.Layer
        Whose voxels are meant; it may have fewer dimensions than the viewer.
    bounds : tuple of (start, stop)
        The box to see whole, along the axes of the layer.
    centre : sequence of int
        A voxel of it.
    zoom : bool
        Whether to zoom in on the box; else the zoom stays as it is.
    """
    dims = viewer.dims
    lead = dims.ndim - layer.ndim
    world = [*dims.point[:lead], *(float(v) for v in layer.data_to_world(centre))]
    hidden = [axis for axis in dims.not_displayed if axis >= lead]
    if hidden:
        dims.set_point(hidden, [world[axis] for axis in hidden])
    camera = _camera(viewer)
    shown = list(dims.displayed)
    depth = world[dims.order[-3]] if dims.ndim > 2 else 0.0
    middle = [world[axis] for axis in shown]
    camera.center = tuple(middle if len(middle) == 3 else [depth, *middle])
    if zoom:
        camera.zoom = _zoom(viewer, layer, bounds, [axis - lead for axis in shown])


def _zoom(viewer: Viewer, layer: Layer, bounds: Bounds, shown: Sequence[int]) -> float:
    """Return the canvas pixels for each unit of the world at which the box, with some context, fills the view."""
    corners = np.array([layer.data_to_world(np.eye(layer.ndim)[axis]) for axis in range(layer.ndim)])
    steps = np.linalg.norm(corners - np.array(layer.data_to_world(np.zeros(layer.ndim))), axis=1)
    lengths = [
        steps[axis] * min(max(_MARGIN * (bounds[axis][1] - bounds[axis][0]), _LEAST_VOXELS), layer.data.shape[axis])
        for axis in shown
        if axis >= 0
    ]
    return float(min(_canvas_size(viewer)) / max(lengths))


def _camera(viewer: Any) -> Any:
    # Before napari 0.9 the viewer itself had the camera.
    return getattr(viewer, "scene", viewer).camera


def _canvas_size(viewer: Any) -> Sequence[float]:
    canvas = getattr(viewer, "canvas", None)
    size = tuple(getattr(canvas, "size", _CANVAS))
    return size if min(size) > 0 else _CANVAS
