"""The outline of the region under review: a small layer of the dock's own that nobody edits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_medfreq.io.review import Bounds

NAME = "region under review"
_COLOUR = "#ffffff"
_EDGE = 2


class Outline:
    """Shows where the region ends, on every slice of it; of the size of the region, not of the image.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where to show it.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layer: Layer | None = None
        self._like: Layer | None = None
        viewer.dims.events.ndisplay.connect(self._on_ndisplay)

    def close(self) -> None:
        """Take the layer away for good."""
        self._viewer.dims.events.ndisplay.disconnect(self._on_ndisplay)
        self.remove()

    def owns(self, layer: Layer) -> bool:
        """Return whether `layer` is this outline."""
        return layer is self._layer

    def show(self, region: npt.NDArray[np.bool_], bounds: Bounds, like: Layer) -> None:
        """Draw around what is true in `region`, just outside of it: what is to be judged stays in view.

        Parameters
        ----------
        region : numpy.ndarray, bool
            The box `bounds`, along the axes of the layer `like`.
        bounds : tuple of (start, stop)
            Where it is in `like`.
        like : napari.layers.Layer
            The mask.
        """
        lead = self._viewer.dims.ndim - like.ndim
        shown = [axis - lead for axis in self._viewer.dims.displayed if axis >= lead]
        data, start = _grown(region, shown), [begin - _EDGE for begin, _ in bounds]
        place = _place(like, start)
        layer = self._layer
        if layer is not None and layer in self._viewer.layers and self._like is like:
            with layer.events.blocker_all():
                layer.translate = place
            layer.data = data  # nobody paints here, so no history is lost
            layer.editable = False
            return
        self.remove()
        self._like, self._layer = like, _layer(data, place, like)
        self._on_ndisplay()
        self._add(self._layer)

    def remove(self) -> None:
        """Take the layer away."""
        layer, self._layer = self._layer, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _on_ndisplay(self, event: object = None) -> None:
        """Show the region itself in 3D, where napari draws no outlines."""
        if self._layer is not None:
            solid = self._viewer.dims.ndisplay == 3
            self._layer.contour, self._layer.opacity = (0, 0.5) if solid else (1, 0.9)

    def _add(self, layer: Layer) -> None:
        layers = self._viewer.layers
        active, selected = layers.selection.active, set(layers.selection)
        with layers.selection.events.blocker_all():
            layers.append(layer)
            layers.selection.clear()
            layers.selection.update(selected)
            layers.selection.active = active


def _layer(data: npt.NDArray[np.uint8], place: npt.NDArray[np.float64], like: Layer) -> Layer:
    from napari.layers import Labels
    from napari.utils.colormaps import DirectLabelColormap

    colours: dict[int | None, Any] = {None: "transparent", 0: "transparent", 1: _COLOUR}
    same = {key: getattr(like, key) for key in ("scale", "rotate", "shear", "affine", "units", "axis_labels")}
    layer = Labels(data, name=NAME, colormap=DirectLabelColormap(color_dict=colours), translate=place, **same)
    layer.editable = False
    return layer


def _grown(region: npt.NDArray[np.bool_], shown: list[int]) -> npt.NDArray[np.uint8]:
    """Return the region with a voxel more around it along the axes that are `shown`, within an edge of background."""
    from scipy.ndimage import binary_dilation

    neighbours = np.ones([3 if axis in shown else 1 for axis in range(region.ndim)], bool)
    return np.asarray(binary_dilation(np.pad(region, _EDGE), neighbours), np.uint8)


def _place(like: Layer, start: list[int]) -> npt.NDArray[np.float64]:
    """Return the `translate` with which a layer's first voxel lies on the voxel `start` of `like`."""
    offset = np.array(like.data_to_world(start)) - np.array(like.data_to_world(np.zeros(like.ndim)))
    linear = np.asarray(like.affine.linear_matrix)
    return np.asarray(np.asarray(like.translate) + np.linalg.solve(linear, offset))
