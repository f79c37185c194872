"""An image that is open for review: its layers, and the mask as it was last saved."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medfreq.errors import InputError
from napari_medfreq.widgets.placement import as_stored, borrowed_placement, valid_placement
from napari_medfreq.widgets.review.places import slices_of, to_shown, to_stored

if TYPE_CHECKING:
    import numpy.typing as npt
    from napari.layers import Layer

    from napari_medfreq.io.models import LabelName
    from napari_medfreq.io.review import Bounds, RegionVoxels, ReviewCase, ReviewRegion
    from napari_medfreq.volume import Orientation, Volume


@dataclass(eq=False)
class OpenCase:
    """A case whose image and mask are in the viewer.

    Attributes
    ----------
    case : ReviewCase
        What the folder says of it.
    image, labels : napari.layers.Layer
        What is looked at, and what is painted on.
    turn : Orientation
        How the layer's axes lie to those of the stored mask.
    voxels : RegionVoxels
        Which voxels belong to which region.
    saved : numpy.ndarray
        The mask as the folder holds it, on its stored axes; belongs to the thread that saves.
    maps : tuple of napari.layers.Layer
        Maps of probability and uncertainty of the same image.
    own : tuple of napari.layers.Layer
        Layers that were added with the case and go with it.
    """

    case: ReviewCase
    image: Layer
    labels: Layer
    turn: Orientation
    voxels: RegionVoxels
    saved: npt.NDArray[Any]
    maps: tuple[Layer, ...] = ()
    own: tuple[Layer, ...] = field(default=())

    @property
    def id(self) -> str:
        """The name of its folder."""
        return self.case.id

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the stored mask."""
        return self.saved.shape

    @property
    def fits(self) -> bool:
        """Whether the layer still has the mask's shape; whoever assigns other data takes it out of the review."""
        return self.turn.undo(_data(self.labels)).shape == self.shape

    def now(self) -> npt.NDArray[Any]:
        """Return the mask as it is on screen, on its stored axes: a view where the layer holds an array."""
        return self.turn.undo(np.asarray(_data(self.labels)))

    def part(self, bounds: Bounds) -> npt.NDArray[Any]:
        """Return a copy of the box `bounds` (stored axes) of the mask as it is on screen."""
        shown = to_shown(self.turn, bounds, self.shape)
        return self.turn.undo(np.array(_data(self.labels)[slices_of(shown)]))

    def stored(self, bounds: Bounds) -> Bounds:
        """Return where the box `bounds` of the layer is in the stored mask."""
        return to_stored(self.turn, bounds, self.shape)

    def bounds_on_screen(self, region: ReviewRegion) -> tuple[Bounds, tuple[int, ...]]:
        """Return the box and the centre of `region` along the axes of the layer."""
        centre = to_shown(self.turn, tuple((v, v + 1) for v in region.centre), self.shape)
        return to_shown(self.turn, region.bounds, self.shape), tuple(start for start, _ in centre)

    def region_on_screen(self, region: ReviewRegion) -> npt.NDArray[np.bool_]:
        """Return which voxels of the region's box belong to it, along the axes of the layer."""
        inside = np.zeros([stop - start for start, stop in region.bounds], bool)
        places = np.unravel_index(self.voxels.of_region(region.number), self.shape)
        inside[tuple(axis - start for axis, (start, _) in zip(places, region.bounds, strict=True))] = True
        return self.turn.apply(inside)

    def corrected(self) -> Volume:
        """Return the mask as it is on screen, on the grid of its image."""
        return replace(self.case.grid, data=self.now(), name=self.case.name)


def turn_of(labels: Layer, image: Layer) -> Orientation:
    """Return how the axes of a mask's layer lie to those of its volume (see `volume_of`)."""
    placement = valid_placement(labels) or borrowed_placement(labels, image)
    if placement is not None:
        return placement.orientation
    grid = volume_like(labels)
    return as_stored(grid)


def volume_like(layer: Layer) -> Volume:
    """Return the volume of a layer that does not know its source."""
    from napari_medfreq.widgets.volumes import volume_of

    return volume_of(layer)


def label_names(labels: Layer) -> tuple[LabelName, ...]:
    """Return the labels that a layer states in its table of features, else those that it holds, in its colours.

    Raises
    ------
    InputError
        If the mask is empty and nothing says which labels it may hold.
    """
    from napari_medfreq.io.models import LabelName

    table = labels.features
    if {"index", "label"} <= set(table.columns):
        named = {int(v): str(n) for v, n in zip(table["index"], table["label"], strict=True) if int(v) > 0}
    else:
        values = np.unique(np.asarray(_data(labels)))
        named = {int(value): f"label {value}" for value in values if value > 0}
    if not named:
        raise InputError(f"{labels.name!r} holds no label. Segment an image first, or choose a mask that is not empty.")
    return tuple(LabelName(value, name, _hex(labels.get_color(value))) for value, name in named.items())


def _hex(colour: Any) -> str:
    if colour is None:
        return "#ffffff"
    return "#" + "".join(f"{round(255 * float(part)):02x}" for part in colour[:3])


def _data(layer: Layer) -> Any:
    return layer.data[0] if layer.multiscale else layer.data
