"""From napari layer, whoever made it, back to `Volume`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medfreq.errors import InputError
from napari_medfreq.volume import LPS_FROM_RAS, Volume
from napari_medfreq.widgets.placement import borrowed_placement, valid_placement, world_matrix

if TYPE_CHECKING:
    import numpy.typing as npt
    from napari.layers import Layer

    from napari_medfreq.volume import Kind

_COLOURS = ("red", "green", "blue")


def volume_of(layer: Layer, reference: Layer | None = None) -> Volume:
    """Return the image or labels `layer` on the grid of its source.

    Works for layers of other plugins as well: their grid is built from where they lie in napari's world.

    Parameters
    ----------
    layer : napari.layers.Layer
        Image (grey, RGB, multiscale, dask) or labels.
    reference : napari.layers.Layer, optional
        If `layer` does not know its source, but has the shape of this one and lies on it or nowhere in particular, it
        gets the grid of this one. A labels layer that was drawn on an image is exported on the image's grid that way.

    Raises
    ------
    InputError
        If the layer is neither image nor labels, or has too few or too many dimensions.
    """
    data, rgb = _voxels(layer)
    placement = valid_placement(layer)
    if placement is None and reference is not None:
        placement = borrowed_placement(layer, reference)
    if placement is None:
        return _from_world(layer, data, rgb)
    grid = placement.grid
    kind: Kind = "labels" if _is_labels(layer) else "image" if grid.kind == "labels" else grid.kind
    restored = placement.orientation.undo(data)
    if restored.shape == grid.data.shape:
        return replace(grid, data=restored, kind=kind, name=layer.name)
    return grid.like(restored, kind=kind, name=layer.name)


def _is_labels(layer: Layer) -> bool:
    from napari.layers import Labels

    return isinstance(layer, Labels)


def _voxels(layer: Layer) -> tuple[npt.NDArray[Any], bool]:
    """Return the layer's voxels with the colours of RGB in front, and whether it is RGB."""
    from napari.layers import Image, Labels

    if not isinstance(layer, (Image, Labels)):
        raise InputError(f"{layer.name!r} is a {type(layer).__name__.lower()} layer; choose an image or labels layer.")
    data = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    rgb = bool(getattr(layer, "rgb", False))
    return (np.moveaxis(data, -1, 0) if rgb else data), rgb


def _from_world(layer: Layer, data: npt.NDArray[Any], rgb: bool) -> Volume:
    if not 2 <= layer.ndim <= (3 if rgb else 4):
        raise InputError(f"{layer.name!r} has {layer.ndim} dimensions; images of two to four dimensions can be used.")
    labels = [str(label).lower() for label in layer.axis_labels]
    frames = layer.ndim == 4 or (layer.ndim == 3 and not rgb and labels[0] in ("t", "time"))
    n = layer.ndim - frames
    millimetres = np.array([millimetres_of(unit) for unit in layer.units[-n:]])
    world = world_matrix(layer)[-n - 1 :, -n - 1 :]
    unscaled = np.allclose(world, np.eye(n + 1))
    calibrated = bool((millimetres > 0).all()) or not unscaled
    world[:n] *= np.where(millimetres > 0, millimetres, 1.0)[:, None]
    affine = np.eye(4)
    affine[:n, :n] = world[:n, :n][::-1, ::-1]
    affine[:n, 3] = world[:n, n][::-1]
    axes: Any = ("c" if rgb else "t" if frames else "") + ("zyx" if n == 3 else "yx")
    channels = _COLOURS if rgb else ()
    if calibrated:
        affine = LPS_FROM_RAS @ affine
    kind: Kind = "labels" if _is_labels(layer) else "image"
    colours = data[:3] if rgb else data
    return Volume(colours, affine, axes, channels, kind=kind, name=layer.name, calibrated=calibrated)


def millimetres_of(unit: Any) -> float:
    """Return how many mm a napari unit (of pint) is, or 0 if it is no length."""
    from pint import DimensionalityError

    try:
        return float((1 * unit).to("mm").magnitude)
    except DimensionalityError:
        return 0.0
