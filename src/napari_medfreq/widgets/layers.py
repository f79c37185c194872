"""From `Volume` to napari layer, without the loss of a voxel's place.

A layer shows a *view* of the data, its axes permuted and flipped to the radiological convention, with `scale` and
`translate` in LPS millimetres. What the screen cannot show, the rotation of an oblique grid, is kept beside the
layer and comes back on export.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_medfreq.volume import (
    LPS_FROM_RAS,
    Orientation,
    Volume,
    display_orientation,
    obliquity,
    reoriented_affine,
)
from napari_medfreq.widgets.looks import image_look, labels_look, probability_look, uncertainty_look
from napari_medfreq.widgets.placement import (
    METADATA,
    Placement,
    as_stored,
    valid_placement,
    without_voxels,
    world_matrix,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from napari.layers import Layer

    from napari_medfreq.io.models import LabelName

    LayerType = Literal["image", "labels"]
    LayerTuple = tuple[npt.NDArray[Any], dict[str, Any], LayerType]

_RGB = (("red", "green", "blue"), ("red", "green", "blue", "alpha"))
# Below this angle the corner of a head-sized volume moves by less than a voxel.
_VISIBLE_DEGREES = 0.1


def layer_tuples(volume: Volume, names: Sequence[LabelName] = ()) -> list[LayerTuple]:
    """Return `volume` as layer data tuples: red, green and blue together, other channels as a layer each."""
    if volume.axes[0] != "c":
        return [_layer_tuple(volume, names)]
    if volume.channels in _RGB and volume.kind == "image":
        return [_rgb_tuple(volume)]
    channels = volume.channels or tuple(str(number) for number in range(1, volume.n_channels + 1))
    return [_layer_tuple(channel_of(volume, i, name), names) for i, name in enumerate(channels)]


def channel_of(volume: Volume, index: int, name: str) -> Volume:
    """Return channel `index` of `volume` as a volume of its own, named after the channel."""
    return volume.like(volume.data[index], channels=(name,), name=f"{volume.name} {name}")


def layers_of(volume: Volume, names: Sequence[LabelName] = ()) -> list[Layer]:
    """Return `volume` as napari layers."""
    from napari.layers import Layer

    return [Layer.create(*entry) for entry in layer_tuples(volume, names)]


def result_tuple(volume: Volume, source: Layer, names: Sequence[LabelName] = ()) -> LayerTuple:
    """Return a result on the grid of `source` as layer data that lie exactly on that layer, wherever it was moved.

    Parameters
    ----------
    volume : Volume
        On the grid that `volume_of` gave for `source`, without channels.
    source : napari.layers.Layer
        The layer that was segmented.
    names : sequence of LabelName
        Names and colours of the labels.
    """
    placement = valid_placement(source)
    turn = placement.orientation if placement else as_stored(volume)
    data, keywords, layer_type = _layer_tuple(volume, names, turn)
    for key in ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels"):
        keywords[key] = getattr(source, key)
    keywords["metadata"] = {METADATA: Placement(without_voxels(volume), turn, world_matrix(source))}
    return data, keywords, layer_type


def is_input(layer: Layer) -> bool:
    """Return whether `layer` shows an image, not a mask and no map of probability or uncertainty."""
    from napari.layers import Image

    if not isinstance(layer, Image):
        return False
    placement = layer.metadata.get(METADATA)
    return not isinstance(placement, Placement) or placement.grid.kind == "image"


def oblique_notice(volume: Volume) -> str | None:
    """Return what to tell the user about a grid that cannot be shown as it lies, or None."""
    if not volume.calibrated or len(volume.spatial_axes) == 2:
        return None
    angle = obliquity(volume.affine)
    if angle < _VISIBLE_DEGREES:
        return None
    return (
        f"{volume.name} was acquired at an angle ({angle:.0f} degrees). It is shown straight, because napari "
        "cannot draw on tilted slices; the angle is kept and comes back when you save or export."
    )


def _layer_tuple(volume: Volume, names: Sequence[LabelName], orientation: Orientation | None = None) -> LayerTuple:
    turn = orientation or display_orientation(volume)
    data = turn.apply(volume.data)
    keywords = _place(volume, turn)
    if volume.kind == "labels":
        return _integers(data), keywords | labels_look(names), "labels"
    if volume.kind == "probability":
        return data, keywords | probability_look(), "image"
    if volume.kind == "uncertainty":
        return data, keywords | uncertainty_look(), "image"
    return data, keywords | image_look(data), "image"


def _rgb_tuple(volume: Volume) -> LayerTuple:
    turn = display_orientation(volume)
    data = np.moveaxis(turn.apply(volume.data), 0, -1)
    if data.dtype.kind == "f" and data.size and float(data.max()) > 1:
        data = np.clip(data / 255, 0, 1)
    return data, _place(volume, turn) | {"rgb": True}, "image"


def _place(volume: Volume, turn: Orientation) -> dict[str, Any]:
    """Name, scale, translate, units, axis labels and placement of the layer that shows `volume` turned by `turn`."""
    n = len(volume.spatial_axes)
    frames = ("t",) if volume.axes[0] == "t" else ()
    lps = LPS_FROM_RAS @ reoriented_affine(volume, turn)
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    # Along its own axes, which are the world's unless the grid is oblique: volumes that share a tilt stay aligned.
    origin = (lps[:3, 3] @ (lps[:3, :3] / spacing))[:n][::-1]
    scale = _short(np.concatenate([np.ones(len(frames)), spacing[:n][::-1]]))
    translate = _short(np.concatenate([np.zeros(len(frames)), origin]))
    world = np.diag([*scale, 1.0])
    world[:-1, -1] = translate
    return {
        "name": volume.name,
        "scale": tuple(float(v) for v in scale),
        "translate": tuple(float(v) for v in translate),
        "units": (volume.units,) * (n + len(frames)),
        "axis_labels": (*frames, *volume.spatial_axes),
        "metadata": {METADATA: Placement(without_voxels(volume), turn, world)},
    }


def _short(lengths: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Round to 2**-24 mm: napari counts slices by a division whose rounding errors would hide the last one."""
    return np.asarray(np.rint(lengths * 2**24) / 2**24)


def _integers(data: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if data.dtype.kind in "iu":
        return data
    if data.dtype.kind == "b":
        return np.asarray(data.view(np.uint8))
    finite = np.nan_to_num(data)
    return np.asarray(
        finite.astype(np.uint8 if finite.min(initial=0) >= 0 and finite.max(initial=0) < 256 else np.int32)
    )
