"""The layers of one result: they are there, empty, before it is computed, and fill while it is."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medfreq.widgets.layers import result_tuple
from napari_medfreq.widgets.parts import PART, ResultPart
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
    # Its polygon tool draws lines, and the first line of a session computes all patterns of dashes.
    importlib.import_module("vispy.visuals.line.dash_atlas").DashAtlas()


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
        self._planned: list[tuple[Kind, int, npt.NDArray[Any], str]] = []
        self._stale: set[str] = set()
        self.segmentation: Segmentation | None = None
        self.edited = False

    def expect(self, *, uncertainty: bool) -> None:
        """Plan empty layers for what will most likely be found, so that none has to be added while it is computed.

        napari needs some tens of milliseconds for each. The engine decides: `show` mends a wrong guess.
        """
        volume = self._volume
        lead = volume.data.shape[:1] if volume.axes[0] == "t" else ()
        shape = (*lead, *volume.spatial_shape)
        several = (len(self.model.labels), *shape) if len(self.model.labels) > 1 and not lead else shape
        # Seen as a whole volume, these take a single number of memory.
        self._plan("labels", np.broadcast_to(np.uint8(0), shape))
        self._plan("probability", np.broadcast_to(np.float16(0), several))
        if uncertainty:
            self._plan("uncertainty", np.broadcast_to(np.float16(0), shape))

    def show(self, name: Kind, array: npt.NDArray[Any]) -> None:
        """Plan that the layers of the result `name` show `array`, itself and not a copy; `advance` does it."""
        self._arrays[name] = array
        self._plan(name, array)

    def advance(self) -> bool:
        """Add one planned layer, or let one that is there show its array; False if nothing was planned.

        Each costs napari some tens of milliseconds, between which the viewer is to answer.
        """
        if not self._planned:
            return False
        from napari.layers import Layer

        name, index, data, label = self._planned.pop(0)
        volume = self._volume.like(data, kind=name, name=label)
        layers = self._layers.setdefault(name, [])
        shown = result_tuple(volume, self._source, self.model.labels)
        if index < len(layers) and layers[index].data.shape == shown[0].shape:
            layers[index].data = shown[0]
            layers[index].editable = False  # napari allows it with every array
            return True
        self._remove(layers[index:])
        del layers[index:]
        layer = Layer.create(*shown)
        if name == "labels":
            layer.editable = False  # until nothing is written any more
            layer.events.paint.connect(self._on_edit)
        # Probability and uncertainty tint the image; whoever wants to see them switches them on.
        layer.visible = name == "labels"
        layers.append(layer)
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
                # Thumbnails would make Qt paint the list of layers each time; the finished result gets its own.
                layer.refresh(extent=False, highlight=False, thumbnail=False)
        self._stale.clear()

    def finish(self, segmentation: Segmentation) -> None:
        """Show the finished result and give the labels free for editing; call it when `advance` has nothing to do."""
        self.segmentation = segmentation
        for name in NAMES:
            volume: Volume | None = getattr(segmentation, name)
            if volume is None:
                self._remove(self._layers.pop(name, []))
                continue
            if name not in self._arrays:
                self.show(name, np.array(volume.data))
                while self.advance():
                    pass
            elif not np.may_share_memory(self._arrays[name], volume.data):
                np.copyto(self._arrays[name], volume.data)
            for index, layer in enumerate(self._layers[name]):
                layer.metadata[PROVENANCE] = segmentation.provenance
                layer.metadata[PART] = ResultPart(segmentation.provenance, name, index, self.model.labels)
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
            self._remove(layers)
        self._layers.clear()
        self._arrays.clear()

    def layer(self, name: Kind) -> Layer | None:
        """Return the (first) layer of the result `name`, whether it is still in the viewer or not."""
        return next(iter(self._layers.get(name, [])), None)

    def _parts(self, name: Kind, array: npt.NDArray[Any]) -> list[tuple[npt.NDArray[Any], str]]:
        spatial = len(self._volume.spatial_axes) + (self._volume.axes[0] == "t")
        if array.ndim == spatial:
            return [(array, f"{self._name} {name}")]
        # Not after the image as well: napari cuts long names in their middle, which would leave no difference.
        return [(array[i], f"{label.name} {name}") for i, label in enumerate(self.model.labels)]

    def _plan(self, name: Kind, array: npt.NDArray[Any]) -> None:
        self._planned += [(name, i, data, label) for i, (data, label) in enumerate(self._parts(name, array))]

    def _remove(self, layers: Sequence[Layer]) -> None:
        for layer in layers:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

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
