"""What to review: which layers belong together, and the volumes that the compute side wants of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medfreq.errors import InputError
from napari_medfreq.io.review import QueueOptions
from napari_medfreq.jobs.review_requests import QueueRequest
from napari_medfreq.widgets.layers import is_input
from napari_medfreq.widgets.parts import companions, part_of
from napari_medfreq.widgets.placement import METADATA, Placement, world_matrix
from napari_medfreq.widgets.review.cases import label_names
from napari_medfreq.widgets.volumes import volume_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari.layers import Layer

    from napari_medfreq.io.models import LabelName
    from napari_medfreq.volume import Volume


@dataclass(frozen=True)
class Choice:
    """What to take under review.

    Attributes
    ----------
    image, labels : napari.layers.Layer
        What was segmented, and the mask.
    probability : tuple of napari.layers.Layer
        One layer for any label, or one for each label in the order of its values.
    uncertainty : napari.layers.Layer or None
        A map in [0, 1], only shown as a number in the table.
    options : QueueOptions
        What becomes a region.
    """

    image: Layer
    labels: Layer
    probability: tuple[Layer, ...]
    uncertainty: Layer | None = None
    options: QueueOptions = field(default_factory=QueueOptions)


@dataclass(frozen=True, eq=False)
class Gathered:
    """The volumes of a `Choice`, all on one grid."""

    image: Volume
    request: QueueRequest
    names: tuple[LabelName, ...]
    model: dict[str, str]


def gather(choice: Choice) -> Gathered:
    """Return the volumes of `choice`; may take long: call it in a thread.

    Raises
    ------
    InputError
        If a layer cannot be used, or the layers do not lie on one grid; the message names the layer.
    """
    image = volume_of(choice.image)
    mask = volume_of(choice.labels, choice.image)
    # What is painted meanwhile must not reach the regions half.
    mask = mask.like(np.array(mask.data), axes=mask.axes, kind="labels")
    names = label_names(choice.labels)
    maps = [_on_grid(layer, mask, choice.image) for layer in choice.probability]
    for layer, volume in zip(choice.probability, maps, strict=True):
        _check_range(layer, volume)
    if len(maps) not in (1, len(names)):
        raise InputError(
            f"There are {len(maps)} layers of probability for {len(names)} labels "
            f"({', '.join(name.name for name in names)}). Choose one for any label, or one for each."
        )
    axes: Any = "c" + mask.spatial_axes
    several = len(maps) > 1
    probability = mask.like(np.stack([m.data for m in maps]), axes=axes) if several else maps[0]
    uncertainty = None if choice.uncertainty is None else _on_grid(choice.uncertainty, mask, choice.image)
    values = tuple(name.value for name in names)
    request = QueueRequest(mask, probability, uncertainty, values, choice.options)
    return Gathered(image, request, names, _model(choice.labels))


def images_for(labels: Layer, layers: Iterable[Layer]) -> list[Layer]:
    """Return the images of `layers` that lie on the mask `labels`, the likeliest first."""
    return sorted((layer for layer in layers if is_input(layer) and _same_grid(layer, labels)), key=_unlike(labels))


def maps_for(labels: Layer, layers: Iterable[Layer]) -> list[Layer]:
    """Return the layers on the grid of `labels` that may hold values in [0, 1], the latest first."""
    from napari.layers import Image

    return [
        layer
        for layer in reversed(list(layers))
        if isinstance(layer, Image) and not layer.rgb and layer.dtype.kind == "f" and _same_grid(layer, labels)
    ]


def probability_choices(labels: Layer, layers: Sequence[Layer]) -> list[tuple[str, tuple[Layer, ...]]]:
    """Return what can be chosen as probability of `labels`, and how to call it: what its model gave comes first."""
    own = companions(labels, layers, "probability")
    choices = [(own[0].name if len(own) == 1 else f"of each label ({len(own)} layers)", own)] if own else []
    return choices + [(layer.name, (layer,)) for layer in maps_for(labels, layers) if (layer,) != own]


def _same_grid(layer: Layer, labels: Layer) -> bool:
    shape = (layer.data[0] if layer.multiscale else layer.data).shape[: layer.ndim]
    if tuple(shape) != tuple(labels.data.shape):
        return False
    world, other = world_matrix(layer), world_matrix(labels)
    return np.allclose(world, other, atol=1e-3) or np.allclose(other, np.eye(len(other)))


def _unlike(labels: Layer) -> Any:
    """Return a key that sorts images by whether they come from the file of `labels`, and are visible."""
    own = labels.metadata.get(METADATA)
    source = own.grid.source if isinstance(own, Placement) else None

    def key(layer: Layer) -> tuple[bool, bool]:
        placement = layer.metadata.get(METADATA)
        there = placement.grid.source if isinstance(placement, Placement) else None
        return (source != there, not layer.visible)

    return key


def _on_grid(layer: Layer, mask: Volume, image: Layer) -> Volume:
    volume = volume_of(layer, image)
    if volume.data.shape != mask.data.shape:
        raise InputError(
            f"{layer.name!r} ({volume.data.shape}) does not lie on the grid of the mask ({mask.data.shape}). "
            "Choose the map that was computed together with this mask."
        )
    return volume


def _check_range(layer: Layer, volume: Volume) -> None:
    low, high = float(volume.data.min(initial=0)), float(volume.data.max(initial=0))
    if not (low >= -1e-3 and high <= 1.001):
        raise InputError(f"{layer.name!r} holds values from {low:.3g} to {high:.3g}; choose one between 0 and 1.")


def _model(labels: Layer) -> dict[str, str]:
    part = part_of(labels)
    model = {} if part is None else part.provenance.get("model", {})
    return {key: str(model[key]) for key in ("name", "version", "sha256") if key in model}
