"""The layer of the changed image: the dock's own, known by what it is and not by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medfreq.widgets.frequencies.planes import in_layer, placed, remember_place
from napari_medfreq.widgets.looks import robust_limits

if TYPE_CHECKING:
    import numpy.typing as npt
    from napari.layers import Image, Layer
    from napari.viewer import Viewer

    from napari_medfreq.volume import Volume
    from napari_medfreq.widgets.frequencies.planes import ShownPlane

_SUFFIX = "bands"


class ChangedLayer:
    """Shows the changed image in one layer of its own, which the user may rename, hide, replace or delete.

    A layer whose data were replaced by somebody else is theirs from then on; a deleted one comes back with `renew`.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where to show it.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layer: Image | None = None
        self._data: npt.NDArray[Any] | None = None
        self._source: Layer | None = None
        self._name = ""
        self._signed = False
        self._unwanted = False

    @property
    def layer(self) -> Image | None:
        """The layer, if it is in the viewer and still the dock's own."""
        return self._layer if self._is_ours() else None

    def is_own(self, layer: Layer) -> bool:
        """Return whether `layer` is the one that this object shows."""
        return layer is self._layer and self._is_ours()

    @property
    def source(self) -> Layer | None:
        """The image whose change is shown."""
        return self._source

    @property
    def wanted(self) -> bool:
        """Whether the changed image is to be shown: the user has not deleted its layer since it was last changed."""
        return not self._unwanted

    def renew(self) -> None:
        """Show the layer again, if it was deleted, at the next `show`."""
        self._unwanted = False
        if self._layer is not None and self._layer not in self._viewer.layers:
            self._layer = None

    def show(self, shown: ShownPlane, image: Volume, *, signed: bool) -> None:
        """Show the changed plane where the plane lies.

        Parameters
        ----------
        shown : ShownPlane
            Which plane.
        image : Volume
            float32, with the pixels of the plane.
        signed : bool
            Whether it has lost its low-pass band, so that its values lie around 0.
        """
        pixels = np.array(image.data)
        keywords = placed(shown)
        if image.axes[0] == "c":
            pixels = _colours(pixels, _dtype(shown.layer), signed=signed)
        self._put(shown.layer, in_layer(shown, pixels), keywords, signed=signed)
        if self._layer is not None:
            remember_place(shown, self._layer)

    def show_volume(self, source: Layer, data: npt.NDArray[Any], *, signed: bool) -> None:
        """Show a changed volume, with the axes of the layer `source`, where that lies."""
        keywords = {
            key: getattr(source, key)
            for key in ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
        }
        self._put(source, data, keywords, signed=signed)

    def remove(self) -> None:
        """Take the layer out of the viewer, if it is still the dock's own."""
        layer, self._layer, self._data, self._source = self.layer, None, None, None
        if layer is not None:
            self._viewer.layers.remove(layer)

    def _put(self, source: Layer, data: npt.NDArray[Any], keywords: dict[str, Any], *, signed: bool) -> None:
        if self._layer is not None and self._layer not in self._viewer.layers and self._source is source:
            self._unwanted = True
        if self._unwanted:
            self._layer, self._data = None, None
            return
        rgb = bool(getattr(source, "rgb", False))
        layer = self._layer
        if layer is None or not self._is_ours() or layer.rgb != rgb or layer.ndim != source.ndim:
            self.remove()
            self._add(source, data, keywords, rgb=rgb, signed=signed)
            return
        moved = self._source is not source
        if moved:
            self._move(layer, source)
        for key in ("scale", "translate", "rotate", "shear", "affine"):
            if moved or (key in ("scale", "translate") and not np.allclose(getattr(layer, key), keywords[key])):
                setattr(layer, key, keywords[key])
        if not rgb and (moved or signed != self._signed):
            layer.contrast_limits = _limits(source, data, signed=signed)
        self._data, self._source, self._signed = data, source, signed
        layer.data = data

    def _move(self, layer: Image, source: Layer) -> None:
        """Let `layer` be that of another image: to make a new one would cost napari many times as long."""
        if layer.name == self._name:
            layer.name = self._name = f"{source.name} · {_SUFFIX}"
        if not layer.rgb:
            layer.colormap = source.colormap
        layers = self._viewer.layers
        if source in layers and layers.index(layer) < layers.index(source):
            layers.move(layers.index(layer), layers.index(source) + 1)

    def _add(self, source: Layer, data: npt.NDArray[Any], keywords: dict[str, Any], *, rgb: bool, signed: bool) -> None:
        from napari.layers import Image

        if not rgb:
            keywords = keywords | {"colormap": source.colormap, "contrast_limits": _limits(source, data, signed=signed)}
        layer = Image(data, name=f"{source.name} · {_SUFFIX}", rgb=rgb, **keywords)
        # Whoever is told of the new layer may ask whose it is.
        self._layer, self._data, self._source, self._signed = layer, data, source, signed
        layers = self._viewer.layers
        active = layers.selection.active
        place = layers.index(source) + 1 if source in layers else len(layers)
        with layers.selection.events.blocker_all():
            layers.insert(place, layer)
            if active is not None and active in layers:
                layers.selection.active = active
        self._name = layer.name

    def _is_ours(self) -> bool:
        return self._layer is not None and self._layer in self._viewer.layers and self._layer.data is self._data


def _limits(source: Layer, data: npt.NDArray[Any], *, signed: bool) -> tuple[float, float]:
    """Return the contrast limits of `source`; around 0 for an image without its low-pass band."""
    if not signed:
        low, high = source.contrast_limits
        return float(low), float(high)
    reach = max(abs(limit) for limit in robust_limits(data))
    return -reach, reach


def _dtype(layer: Layer) -> np.dtype[Any]:
    dtype: np.dtype[Any] = (layer.data[0] if layer.multiscale else layer.data).dtype
    return dtype


def _colours(pixels: npt.NDArray[Any], dtype: np.dtype[Any], *, signed: bool) -> npt.NDArray[Any]:
    """Return colours as napari draws them: 8 bits; those around 0 are shown around mid-grey."""
    top = float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0
    scaled = np.nan_to_num(pixels) * (255.0 / top) + (127.5 if signed else 0.0)
    colours: npt.NDArray[np.uint8] = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return colours
