"""Notices what changes in a labels layer, and where: strokes while they are drawn, undo, redo and the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari.components import Dims
    from napari.layers import Layer

    from napari_medfreq.io.review import Bounds


class Watch:
    """Calls back with the box (along the layer's axes) in which a labels layer may have changed; None is anywhere.

    Parameters
    ----------
    layer : napari.layers.Labels
        What to watch.
    dims : napari.components.Dims
        Of the viewer that shows it.
    changed : callable
        Is told of the box.
    """

    def __init__(self, layer: Layer, dims: Dims, changed: Callable[[Bounds | None], None]) -> None:
        self._layer = layer
        self._dims = dims
        self._changed = changed
        self._view = self._what_is_shown()
        events = layer.events
        self._connections = (
            (events.paint, self._on_stroke),
            (events.labels_update, self._on_drawing),
            (events.set_data, self._on_redraw),
            (events.data, self._on_assignment),
        )
        for emitter, listener in self._connections:
            emitter.connect(listener)

    def close(self) -> None:
        """Look away."""
        for emitter, listener in self._connections:
            emitter.disconnect(listener)

    def _on_stroke(self, event: Any) -> None:
        """A stroke, a fill or a polygon is finished."""
        boxes = [_box_of(atom) for atom in event.value]
        if None in boxes:
            self._changed(None)
        else:
            self._changed(_union([box for box in boxes if box is not None]))

    def _on_drawing(self, event: Any) -> None:
        """A part of what is on screen was painted; the stroke may go on."""
        lead = self._dims.ndim - self._layer.ndim
        shown = [axis - lead for axis in self._dims.displayed]
        shape = self._layer.data.shape
        # A brush that paints in more dimensions than are shown says nothing of what it does in the others.
        deep = self._layer.n_edit_dimensions > len(shown)
        position = np.round(self._layer.world_to_data(self._dims.point)).astype(int)
        box = [(0, size) if deep else (int(p), int(p) + 1) for size, p in zip(shape, position, strict=True)]
        for axis, start, length in zip(shown, event.offset, event.data.shape, strict=False):
            box[axis] = (int(start), int(start) + int(length))
        inside = tuple((max(0, start), min(size, stop)) for (start, stop), size in zip(box, shape, strict=True))
        if all(start < stop for start, stop in inside):
            self._changed(inside)

    def _on_redraw(self, event: Any) -> None:
        """The slice was read anew: another one is shown, or an undo, a redo or a script has changed the voxels."""
        before, self._view = self._view, self._what_is_shown()
        if before == self._view:
            self._changed(None)

    def _on_assignment(self, event: Any) -> None:
        self._changed(None)

    def _what_is_shown(self) -> tuple[Any, ...]:
        dims = self._dims
        return (dims.ndisplay, tuple(dims.order), tuple(dims.point[axis] for axis in dims.not_displayed))


def _box_of(atom: Any) -> Bounds | None:
    """Return the box of one step of napari's history: a key of slices (napari 0.8) or arrays of indices."""
    key = getattr(atom, "slice_key", None)
    if key is not None:
        return tuple((int(part.start), int(part.stop)) for part in key)
    indices = atom[0] if isinstance(atom, tuple) else ()
    if not indices or not all(isinstance(axis, np.ndarray) and axis.size for axis in indices):
        return None
    return tuple((int(axis.min()), int(axis.max()) + 1) for axis in indices)


def _union(boxes: Iterable[Bounds]) -> Bounds | None:
    sides = list(zip(*boxes, strict=True))
    return tuple((min(a for a, _ in side), max(b for _, b in side)) for side in sides) or None
