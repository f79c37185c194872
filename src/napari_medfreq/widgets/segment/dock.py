"""The Segment dock: what it shows, top to bottom, and what it asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QMenu, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_medfreq.errors import MedfreqError
from napari_medfreq.io.models import find_models
from napari_medfreq.jobs.host import ChildExecutor
from napari_medfreq.widgets.docking import DockedWidget
from napari_medfreq.widgets.segment.card import CardDialog
from napari_medfreq.widgets.segment.controller import SegmentController
from napari_medfreq.widgets.segment.export import file_filters
from napari_medfreq.widgets.segment.form import SegmentForm
from napari_medfreq.widgets.segment.table import RegionTable
from napari_medfreq.widgets.wording import ERROR_STYLE, log_failure, with_suffix

if TYPE_CHECKING:
    from collections.abc import Sequence

    import napari.viewer

    from napari_medfreq.engine.options import Segmentation
    from napari_medfreq.io.models import ModelFolder
    from napari_medfreq.jobs.messages import Executor, Progress
    from napari_medfreq.volume import Kind

SHORTCUT = "Control-Alt-S"
_EXPORTS: tuple[Kind, ...] = ("labels", "probability", "uncertainty")
_NO_MODEL = (
    "No model is installed. Put a model folder into one of the folders that `napari-medfreq models list` names, "
    "then open this dock again."
)


class SegmentDock(DockedWidget):
    """Segment the image of a layer and show mask, probability and uncertainty.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.
    executor : Executor, optional
        Who computes; by default a child process of this dock. It is shut down when the dock is closed.
    models : sequence of ModelFolder, optional
        What can be chosen; by default all models that are installed.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        executor: Executor | None = None,
        models: Sequence[ModelFolder] | None = None,
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self._executor = ChildExecutor() if executor is None else executor
        broken: list[str] = []
        if models is None:
            models = find_models(lambda _path, error: broken.append(str(error)))
        self.form = SegmentForm(viewer, models)
        self.controller = SegmentController(viewer, self._executor, self)
        self.table = RegionTable()
        self.button = QPushButton()
        self.export_button = QPushButton("Export…")
        self.copy_button = QPushButton("Copy table")
        self.bar = QProgressBar()
        self.message = QLabel()
        self._lay_out()
        self._connect()
        self._show_idle()
        if broken or not models:
            self.say("\n".join(broken) or _NO_MODEL, error=True)
        self._warm_up(self.form.chosen_model)

    def run_or_cancel(self, *_: object) -> None:
        """Segment what is chosen, or give up what runs."""
        if self.controller.running:
            self.controller.cancel()
            return
        try:
            choice = self.form.choice()
        except MedfreqError as error:
            self.say(str(error), error=True)
            return
        self.controller.run(choice)

    def use(self, model: ModelFolder) -> None:
        """Choose `model`, which may have been made while the dock was open."""
        others = [other for other in find_models(lambda *_: None) if other.name != model.name]
        self.form.offer([*others, model], model)

    def say(self, text: str, error: bool = False) -> None:
        """Show `text` below the button."""
        self.message.setText(text)
        self.message.setStyleSheet(ERROR_STYLE if error else "")
        self.message.setVisible(bool(text))

    def _lay_out(self) -> None:
        self.button.setToolTip(f"Segment the chosen image, or cancel ({SHORTCUT})")
        self.export_button.setToolTip("Save the result as NIfTI, NRRD, PNG or DICOM, with a record of how it was made")
        menu = QMenu(self.export_button)
        for kind in _EXPORTS:
            menu.addAction(kind.capitalize() + "…", lambda kind=kind: self._ask_export(kind))
        self.export_button.setMenu(menu)
        self.copy_button.setToolTip("Copy the table as CSV")
        self.message.setWordWrap(True)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.bar.setTextVisible(True)
        actions = QHBoxLayout()
        actions.addWidget(self.copy_button)
        actions.addWidget(self.export_button)
        layout = QVBoxLayout(self)
        for widget in (self.form, self.button, self.bar, self.message, self.table):
            layout.addWidget(widget)
        layout.addLayout(actions)
        layout.addStretch(1)

    def _connect(self) -> None:
        # Called in reverse order: the viewer lets go of the dock first, the child process ends last.
        self.cleanup.callback(self._executor.shutdown)
        self.cleanup.callback(self.controller.close)
        layer_events = self._viewer.layers.events
        for event in (layer_events.inserted, layer_events.removed, layer_events.reordered, layer_events.renamed):
            event.connect(self.form.reset_choices)
            self.cleanup.callback(event.disconnect, self.form.reset_choices)
        self._viewer.bind_key(SHORTCUT, self.run_or_cancel, overwrite=True)
        self.cleanup.callback(self._viewer.bind_key, SHORTCUT, None)
        self.form.card_asked.connect(self._show_card)
        self.form.model_changed.connect(self._warm_up)
        self.button.clicked.connect(self.run_or_cancel)
        self.copy_button.clicked.connect(self.table.copy)
        self.controller.started.connect(self._show_running)
        self.controller.ended.connect(self._show_idle)
        self.controller.progressed.connect(self._show_progress)
        self.controller.said.connect(self.say)
        self.controller.found.connect(self._show_found)

    def _warm_up(self, model: ModelFolder | None) -> None:
        if model is not None:
            self._executor.warm_up(str(model.path)).add_done_callback(log_failure)

    def _show_running(self) -> None:
        self.say("")
        self.button.setText("Cancel")
        self.bar.show()
        self.form.setEnabled(False)

    def _show_idle(self) -> None:
        self.button.setText("Segment")
        self.bar.hide()
        self.form.setEnabled(True)
        found = self.controller.results is not None
        self.export_button.setEnabled(found)
        self.copy_button.setEnabled(found)

    def _show_progress(self, progress: Progress) -> None:
        # A bar without an end would move all the time, and each of its moves redraws the whole window.
        # A new value is painted on the spot, and with it the window, unless updates wait for the end.
        self.bar.setUpdatesEnabled(False)
        self.bar.setMaximum(max(progress.total, 1))
        self.bar.setValue(progress.done)
        left = progress.total - progress.done
        self.bar.setFormat(f"{progress.text}, {left} to go" if progress.total else f"{progress.text}…")
        self.bar.setUpdatesEnabled(True)

    def _show_found(self, segmentation: Segmentation) -> None:
        self.table.show_regions(segmentation.regions)
        missing = [region.label.name for region in segmentation.regions if region.voxels == 0]
        if len(missing) == len(segmentation.regions):
            self.say(f"Nothing was found: no {' and no '.join(missing)}.")

    def _show_card(self, model: ModelFolder) -> None:
        CardDialog(model, self).exec()

    def _ask_export(self, kind: Kind) -> None:
        results = self.controller.results
        if results is None:
            return
        try:
            filters = file_filters(results, kind)
        except MedfreqError as error:
            self.say(str(error), error=True)
            return
        path, chosen = QFileDialog.getSaveFileName(self, f"Export {kind}", "", filters)
        if path:
            self.controller.export(kind, with_suffix(Path(path), chosen))


def open_segment_dock(viewer: napari.viewer.Viewer) -> SegmentDock:
    """Return the Segment dock of `viewer`, in front; it is opened where there is none."""
    docks = [widget for widget in viewer.window.dock_widgets.values() if isinstance(widget, SegmentDock)]
    if not docks:
        docks = [SegmentDock(viewer)]
        viewer.window.add_dock_widget(docks[0], name="Segment", area="right", tabify=True)
    if isinstance(frame := docks[0].parent(), QWidget):
        frame.show()
        frame.raise_()
    return docks[0]
