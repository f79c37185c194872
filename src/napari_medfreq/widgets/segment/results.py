"""The layers of one result: they appear when their arrays are allocated, and fill while these are computed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medfreq.widgets.layers import result_tuple
from napari_medfreq.widgets.placement import on_screen

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_medfreq.engine.options import Segmentation
    from napari_medfreq.io.models import ModelFolder
    from napari_medfreq.volume import Kind, Volume

# From the bottom to the top of the layer list.
NAMES: tuple[Kind, ...] = ("probability", "uncertainty", "labels")
PROVENANCE = "medfreq-provenance"


def import_ahead() -> None:
    """Import what napari's first labels layer and the table would wait a second for; safe in any thread."""
    importlib.import_module("pandas")
    importlib.import_module("scipy.ndimage")
    from napari.utils.colormaps import label_colormap

    # Every labels layer makes these colours, and the first one of a session loads half of scikit-image for it.
    label_colormap(2)


class ResultLayers:
    """Fresh layers for one result. No other layer is ever touched.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where to show them.
    source : napari.layers.Layer
        The layer that is segmented; it may be removed meanwhile.
    volume : Volume
        What is segmented.
    model : ModelFolder
        Gives the labels their names and colours.
    """

    def __init__(self, viewer: Viewer, source: Layer, volume: Volume, model: ModelFolder) -> None:
        self._viewer = viewer
        self._source = source
        self._volume = volume
        self.model = model
        self._name = source.name
        self._layers: dict[str, list[Layer]] = {}
        self._arrays: dict[str, npt.NDArray[Any]] = {}
        self._planned: list[tuple[Kind, npt.NDArray[Any], str]] = []
        self._stale: set[str] = set()
        self.segmentation: Segmentation | None = None
        self.edited = False

    def show(self, name: Kind, array: npt.NDArray[Any]) -> None:
        """Plan the layers of the result `name`, which show `array` itself and not a copy; `advance` adds them."""
        self._arrays[name] = array
        self._layers[name] = []
        self._planned += [(name, data, label) for data, label in self._parts(name, array)]

    def advance(self) -> bool:
        """Add one planned layer; False if there was none.

        Each costs napari some tens of milliseconds, between which the viewer is to answer.
        """
        if not self._planned:
            return False
        name, data, label = self._planned.pop(0)
        layer = self._create(self._volume.like(data, kind=name, name=f"{self._name} {label}"))
        if name == "labels":
            layer.editable = False  # until nothing is written any more
            layer.events.paint.connect(self._on_edit)
        # Probability and uncertainty tint the image; whoever wants to see them switches them on.
        layer.visible = name == "labels"
        self._layers[name].append(layer)
        self._insert(name, layer)
        return True

    def touch(self, name: str, region: Sequence[tuple[int, int]]) -> None:
        """Remember that `region` of the array `name` has changed, if any of it is on screen.

        Drawing costs tens of milliseconds, and napari looks at the array anyhow when another slice is shown.
        """
        if any(on_screen(layer, self._viewer.dims, region) for layer in self._layers.get(name, [])):
            self._stale.add(name)

    def refresh(self) -> None:
        """Draw what has changed; in 3D only the finished result, as each look is a copy to the graphics card."""
        if self._viewer.dims.ndisplay == 3:
            return
        for name in self._stale:
            for layer in self._layers.get(name, []):
                layer.refresh(extent=False, highlight=False)
        self._stale.clear()

    def finish(self, segmentation: Segmentation) -> None:
        """Show the finished result and give the labels free for editing; call it when `advance` has nothing to do."""
        self.segmentation = segmentation
        for name in NAMES:
            volume: Volume | None = getattr(segmentation, name)
            if volume is None:
                continue
            if name not in self._arrays:
                self.show(name, np.array(volume.data))
                while self.advance():
                    pass
            elif not np.may_share_memory(self._arrays[name], volume.data):
                np.copyto(self._arrays[name], volume.data)
            for layer in self._layers[name]:
                layer.metadata[PROVENANCE] = segmentation.provenance
                layer.editable = True
                layer.refresh(extent=False)
        self._stale.clear()

    def step_aside(self) -> None:
        """Hide the layers, so that the next result is not drawn over this one."""
        for layers in self._layers.values():
            for layer in layers:
                layer.visible = False

    def discard(self) -> None:
        """Take the layers away again."""
        self._planned.clear()
        for layers in self._layers.values():
            for layer in layers:
                if layer in self._viewer.layers:
                    self._viewer.layers.remove(layer)
        self._layers.clear()
        self._arrays.clear()

    def layer(self, name: Kind) -> Layer | None:
        """Return the (first) layer of the result `name`, whether it is still in the viewer or not."""
        return next(iter(self._layers.get(name, [])), None)

    def _parts(self, name: Kind, array: npt.NDArray[Any]) -> list[tuple[npt.NDArray[Any], str]]:
        spatial = len(self._volume.spatial_axes) + (self._volume.axes[0] == "t")
        if array.ndim == spatial:
            return [(array, name)]
        return [(array[i], f"{label.name} {name}") for i, label in enumerate(self.model.labels)]

    def _create(self, volume: Volume) -> Layer:
        from napari.layers import Layer

        return Layer.create(*result_tuple(volume, self._source, self.model.labels))

    def _insert(self, name: Kind, layer: Layer) -> None:
        layers = self._viewer.layers
        above = [entry for higher in NAMES[NAMES.index(name) + 1 :] for entry in self._layers.get(higher, [])]
        places = [layers.index(entry) for entry in above if entry in layers]
        # Whoever is drawing on another layer goes on drawing there.
        active, selected = layers.selection.active, set(layers.selection)
        with layers.selection.events.blocker_all():
            layers.insert(min(places, default=len(layers)), layer)
            if selected:
                layers.selection.clear()
                layers.selection.update(selected)
                layers.selection.active = active

    def _on_edit(self) -> None:
        self.edited = self.segmentation is not None
