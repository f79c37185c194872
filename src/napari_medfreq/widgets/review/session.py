"""A review under way: the queue over all open cases, where the user is in it, and what becomes of each region."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_medfreq.widgets.review.flight import fly_to
from napari_medfreq.widgets.review.outline import Outline
from napari_medfreq.widgets.review.rows import DONE, Progress, Row, make_rows, progress_of
from napari_medfreq.widgets.review.watching import Watch

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_medfreq.io.review import State
    from napari_medfreq.widgets.review.autosave import Autosave
    from napari_medfreq.widgets.review.cases import OpenCase


class ReviewSession(QObject):
    """Leads from region to region and keeps what is decided and painted.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where the cases are.
    path : pathlib.Path
        The review folder.
    autosave : Autosave
        Who saves; closed with the session.
    parent : QObject, optional
        Qt's parent.

    Attributes
    ----------
    rows_changed : Signal
        Cases came or went: the queue is another one.
    row_changed : Signal(Row)
        The state of a region changed.
    moved : Signal(Row)
        Another region is before the user's eyes.
    lost : Signal(OpenCase)
        The mask of a case was taken out of the viewer.
    """

    rows_changed = Signal()
    row_changed = Signal(object)
    moved = Signal(object)
    lost = Signal(object)

    def __init__(self, viewer: Viewer, path: Path, autosave: Autosave, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.path = path
        self.autosave = autosave
        self.outline = Outline(viewer)
        self.rows: list[Row] = []
        self.current: Row | None = None
        self.zoom = True
        self._viewer = viewer
        self._cases: dict[str, OpenCase] = {}
        self._watches: dict[str, Watch] = {}
        self._states: dict[tuple[str, int], State] = {}
        self._visible: dict[Layer, bool] = {}
        self._shown: OpenCase | None = None
        autosave.touched.connect(self._on_touched)
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def cases(self) -> list[OpenCase]:
        """The cases that are open, in the order in which they were added."""
        return list(self._cases.values())

    @property
    def progress(self) -> Progress:
        """How far the review is."""
        return progress_of(self.rows, self.cases)

    def add(self, case: OpenCase, states: dict[int, State]) -> None:
        """Take up `case`, whose layers are in the viewer, with what became of its regions so far."""
        self._cases[case.id] = case
        self._states |= {(case.id, region): state for region, state in states.items()}
        self._watches[case.id] = Watch(case.labels, self._viewer.dims, lambda box: self._on_change(case, box))
        self._fill()
        self._shown = None
        if self.current is not None:
            self._show_case(self.current.case)
        # It may have been painted on while its regions were looked for.
        self.autosave.save_mask(case, None)

    def go(self, row: Row) -> None:
        """Bring a region before the user's eyes."""
        self.current = row
        self._show_case(row.case)
        region, labels = row.region, row.case.labels
        bounds, centre = row.case.bounds_on_screen(region)
        fly_to(self._viewer, labels, bounds, centre, zoom=self.zoom)
        self.outline.show(row.case.region_on_screen(region), bounds, labels)
        self._viewer.layers.selection.active = labels
        if region.label:
            labels.selected_label = region.label
        self.moved.emit(row)

    def set_state(self, rows: Iterable[Row], state: State) -> None:
        """Say what became of `rows`."""
        for row in rows:
            if row.state != state:
                row.state = state
                self._states[row.key] = state
                self.autosave.save_state(row.case, row.region.number, state)
                self.row_changed.emit(row)

    def accept(self, row: Row) -> None:
        """Say that the mask is right in `row`; where it was corrected that is said already."""
        if row.state not in DONE:
            self.set_state([row], "accepted")

    def flag(self, row: Row) -> None:
        """Put `row` aside for somebody else to decide, or take that back."""
        self.set_state([row], "open" if row.state == "flagged" else "flagged")

    def close(self) -> BaseException | None:
        """Save everything, leave the viewer as it was, and return what could not be saved, if anything.

        Layers that the review brought along leave with it, unless something on them could not be saved.
        """
        self.blockSignals(True)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        for watch in self._watches.values():
            watch.close()
        self.outline.close()
        for case in self.cases:
            self.autosave.save_mask(case, None)
        error = self.autosave.close()
        for case in self.cases:
            for layer in case.own if error is None else ():
                if layer in self._viewer.layers:
                    self._viewer.layers.remove(layer)
        for layer, visible in self._visible.items():
            if layer in self._viewer.layers:
                layer.visible = visible
        return error

    def _fill(self) -> None:
        self.rows = make_rows(self.cases, lambda case, region: self._states.get((case, region), "open"))
        key = None if self.current is None else self.current.key
        self.current = next((row for row in self.rows if row.key == key), None)
        self.rows_changed.emit()

    def _show_case(self, shown: OpenCase) -> None:
        """Hide the other cases: several pictures lie in the same place."""
        if self._shown is shown:
            return
        self._shown = shown
        for case in self.cases:
            for layer in (case.image, case.labels, *case.maps):
                self._visible.setdefault(layer, layer.visible)
                if case is not shown:
                    layer.visible = layer in (shown.image, shown.labels)
        shown.image.visible = shown.labels.visible = True

    def _on_change(self, case: OpenCase, box: object) -> None:
        if not case.fits:
            self._drop(case)
            return
        self.autosave.save_mask(case, box)  # type: ignore[arg-type]  # of the layer's `Bounds`

    def _on_touched(self, case: OpenCase, regions: dict[int, bool]) -> None:
        for row in self.rows:
            if row.case is not case or row.region.number not in regions or row.state == "flagged":
                continue
            if regions[row.region.number]:
                self.set_state([row], "corrected")
            elif row.state == "corrected":
                self.set_state([row], "open")  # undone

    def _on_removed(self, event: object) -> None:
        layer = getattr(event, "value", None)
        for case in [case for case in self.cases if case.labels is layer]:
            self._drop(case)

    def _drop(self, case: OpenCase) -> None:
        """Let go of a case whose mask is no longer there; what was painted until now is saved."""
        self._watches.pop(case.id).close()
        self.autosave.save_mask(case, None)
        del self._cases[case.id]
        if self.current is not None and self.current.case is case:
            self.current = None
            self.outline.remove()
        self._fill()
        self.lost.emit(case)
