"""What the user chose to segment, brought together into one volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medfreq.errors import InputError
from napari_medfreq.widgets.volumes import volume_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Layer

    from napari_medfreq.engine.options import SegmentOptions
    from napari_medfreq.io.models import ModelFolder
    from napari_medfreq.volume import Volume

_COLOURS = {"red", "green", "blue"}


@dataclass(frozen=True)
class Choice:
    """What to segment, with which model and how.

    Attributes
    ----------
    layers : tuple of napari.layers.Layer
        One layer, or one for each channel of the model in the model's order.
    model : ModelFolder
        The model.
    options : SegmentOptions
        Passes, device and the like.
    """

    layers: tuple[Layer, ...]
    model: ModelFolder
    options: SegmentOptions


def slots(model: ModelFolder) -> tuple[str, ...]:
    """Return the names of the layers that `model` wants: one each for several contrasts, else a single one."""
    channels = model.input.channels
    return ("image",) if len(channels) == 1 or set(channels) <= _COLOURS else channels


def gather(layers: Sequence[Layer], channels: Sequence[str]) -> Volume:
    """Return the volume of one layer, or of several stacked as `channels`. May take long: call it in a thread.

    Raises
    ------
    InputError
        If a layer cannot be used, or the layers do not lie on one grid; the message names the layer.
    """
    volumes = [volume_of(layer) for layer in layers]
    first = volumes[0]
    if len(volumes) == 1:
        return first
    for volume in volumes:
        if volume.n_channels != 1 or volume.axes[0] == "t":
            raise InputError(
                f"{volume.name!r} holds more than one image ({volume.axes}, {volume.data.shape}). "
                "Choose a layer with a single contrast for each input of this model."
            )
        if volume.data.shape != first.data.shape or not np.allclose(volume.affine, first.affine, atol=1e-2):
            raise InputError(
                f"{volume.name!r} ({volume.data.shape}) does not lie on the grid of {first.name!r} "
                f"({first.data.shape}). Register and resample the contrasts to one grid first."
            )
    axes: Any = "c" + first.spatial_axes
    return first.like(np.stack([volume.data for volume in volumes]), axes=axes, channels=tuple(channels))


def suggest(layers: Sequence[Layer], slot: str) -> Layer | None:
    """Return the layer whose file said that it is the contrast `slot`, or None."""
    from napari_medfreq.widgets.placement import METADATA, Placement

    for layer in reversed(layers):
        placement = layer.metadata.get(METADATA)
        if isinstance(placement, Placement) and placement.grid.channels == (slot,):
            return layer
    return None
