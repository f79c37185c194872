"""The Review dock: what its widgets ask for, and what they are told."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error
from qtpy.QtCore import QSize
from qtpy.QtWidgets import QFileDialog, QVBoxLayout

from napari_medfreq.errors import MedfreqError
from napari_medfreq.jobs.host import ChildExecutor
from napari_medfreq.widgets.docking import DockedWidget
from napari_medfreq.widgets.review.controller import ReviewController
from napari_medfreq.widgets.review.export import export_filters
from napari_medfreq.widgets.review.habits import load_habits, save_habits
from napari_medfreq.widgets.review.keys import Keys
from napari_medfreq.widgets.review.learn import LearnPanel
from napari_medfreq.widgets.review.page import ReviewPage
from napari_medfreq.widgets.segment.dock import open_segment_dock
from napari_medfreq.widgets.wording import explain, with_suffix

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

    from napari_medfreq.io.review import State
    from napari_medfreq.jobs.messages import Executor
    from napari_medfreq.widgets.review.cases import OpenCase
    from napari_medfreq.widgets.review.opening import Restored
    from napari_medfreq.widgets.review.rows import Row
    from napari_medfreq.widgets.review.session import ReviewSession

_WIDTH = 420


class ReviewDock(DockedWidget):
    """Lead the user from one uncertain region to the next, and keep what is decided and painted.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.
    executor : Executor, optional
        Who finds the regions; by default a child process of this dock. It is shut down when the dock is closed.

    Attributes
    ----------
    page : ReviewPage
        The widgets; `ReviewPage.add_section` adds to them.
    controller : ReviewController
        Begins, opens and closes; its `session` is the review that is open.
    learning : LearnPanel
        Lets a model learn from the review that is open.
    """

    def __init__(self, viewer: napari.viewer.Viewer, executor: Executor | None = None) -> None:
        super().__init__()
        self._viewer = viewer
        self._executor = ChildExecutor() if executor is None else executor
        self._habits = load_habits()
        self._listening: ReviewSession | None = None
        self.controller = ReviewController(viewer, self._executor, self)
        self.page = ReviewPage(viewer, self._habits, self._is_own)
        self.learning = LearnPanel(self._habits.earlier)
        self.page.add_section("Learn from corrections", self.learning)
        self._keys = Keys(viewer, {action: partial(self.act, action) for action in self._habits.keys})
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.page)
        self._connect()
        self._bind_keys()
        self._show_state()

    @property
    def session(self) -> ReviewSession | None:
        """The review that is open, if one is."""
        return self.controller.session

    def begin(self, *_: object) -> None:
        """Take what is chosen in the form under review."""
        self.say("")
        try:
            choice = self.page.form.choice()
        except MedfreqError as error:
            self.say(str(error), error=True)
            return
        path = self.page.folder.path_for(choice.image.name)
        if self.session is None:
            self._remember(folder=path.parent)
        self.controller.begin(choice, path)

    def act(self, action: str) -> None:
        """Do what a button or a key asks for: ``next``, ``previous``, ``accept`` or ``flag``."""
        session = self.session
        if session is None or self.controller.busy:
            self.say("Begin or open a review first." if session is None else "One moment, please.")
            return
        table, row = self.page.panel.table, session.current
        if row is not None and action == "accept":
            session.accept(row)
        elif row is not None and action == "flag":
            session.flag(row)
        target = table.row_above() if action == "previous" else table.next_open()
        if target is not None:
            session.go(target)
        elif action != "previous":
            self.say("There is no open region left in the table.")

    def sizeHint(self) -> QSize:
        """Leave most of the window to the image."""
        return QSize(_WIDTH, 760)

    def say(self, text: str, error: bool = False) -> None:
        """Show `text` at the end of the dock."""
        self.page.foot.say(text, error)

    def _connect(self) -> None:
        # Called in reverse order: the viewer lets go of the dock first, the child process ends last.
        self.cleanup.callback(self._executor.shutdown)
        self.cleanup.callback(self._close_controller)
        self.cleanup.callback(self._keys.release)
        self.cleanup.callback(self.learning.run.close)
        self.learning.earlier_changed.connect(lambda earlier: self._remember(earlier=earlier))
        self.learning.model_chosen.connect(lambda model: open_segment_dock(self._viewer).use(model))
        page, controller, layer_events = self.page, self.controller, self._viewer.layers.events
        for event in (layer_events.inserted, layer_events.removed, layer_events.reordered, layer_events.renamed):
            event.connect(page.form.reset_choices)
            self.cleanup.callback(event.disconnect, page.form.reset_choices)
        page.begin_button.clicked.connect(self.begin)
        page.open_button.clicked.connect(self._ask_review)
        page.close_button.clicked.connect(self._on_close_asked)
        page.export_button.clicked.connect(self._ask_export)
        page.foot.cancelled.connect(controller.cancel)
        page.panel.asked.connect(self.act)
        page.panel.table.chosen.connect(self._on_chosen)
        page.panel.table.state_asked.connect(self._on_state_asked)
        page.keys_form.changed.connect(self._on_keys)
        page.zoom_box.toggled.connect(self._on_zoom)
        controller.opened.connect(self._on_opened)
        controller.closed.connect(self._on_closed)
        controller.busy_changed.connect(self._on_busy)
        controller.progressed.connect(page.foot.show_progress)
        controller.said.connect(self.say)
        controller.image_wanted.connect(self._ask_image)

    def _close_controller(self) -> None:
        error = self.controller.close()
        if error is not None:
            # The dock is no longer there to say it.
            show_error(f"{explain(error)} What could not be saved is still in its layers.")

    def _on_opened(self) -> None:
        session = self.session
        if session is None:
            return
        if self._listening is not session:
            self._listening = session
            session.rows_changed.connect(self._on_rows)
            session.row_changed.connect(self._on_row)
            session.moved.connect(self._on_moved)
            session.lost.connect(self._on_lost)
            session.autosave.saved.connect(self.page.foot.show_all_saved)
            session.autosave.failed.connect(self._on_failed)
            session.zoom = self.page.zoom_box.isChecked()
        self.page.what.collapse(animate=False)
        self.learning.follow(session)
        self._on_rows()
        if session.current is None and (first := self.page.panel.table.next_open()) is not None:
            session.go(first)

    def _on_closed(self) -> None:
        self._listening = None
        self.learning.follow(None)
        self.page.panel.table.show_current(None)
        self.page.panel.table.show_rows([])
        self.page.foot.show_saved("")
        self.page.what.expand(animate=False)
        self.page.form.reset_choices()
        self._show_state()

    def _on_close_asked(self) -> None:
        self.say("")
        self.controller.close_review()

    def _on_rows(self) -> None:
        if self.session is not None:
            self.page.panel.table.show_rows(self.session.rows)
            self.page.panel.table.show_current(self.session.current)
            self.page.panel.show_progress(self.session.progress)
        self._show_state()

    def _on_row(self, row: Row) -> None:
        self.page.panel.table.model.update_row(row)
        if self.session is not None:
            self.page.panel.show_progress(self.session.progress)

    def _on_moved(self, row: Row) -> None:
        self.page.panel.table.show_current(row)
        self._show_state()

    def _on_chosen(self, row: Row) -> None:
        if self.session is not None:
            self.session.go(row)

    def _on_state_asked(self, rows: list[Row], state: State) -> None:
        if self.session is not None:
            self.session.set_state(rows, state)

    def _on_lost(self, case: OpenCase) -> None:
        self.say(
            f"The mask of {case.case.name} was taken out of the viewer. Its corrections are saved: open the review "
            "again to go on with it."
        )

    def _on_failed(self, error: BaseException) -> None:
        self.page.foot.show_saved(
            f"Not saved: {explain(error)} It is tried again every few seconds; until then do not close the window.",
            error=True,
        )

    def _on_busy(self, busy: bool) -> None:
        self.page.foot.show_busy(busy)
        self._show_state()

    def _show_state(self) -> None:
        self.page.show_state(self.session, busy=self.controller.busy)

    def _bind_keys(self) -> None:
        keys = self.page.keys_form.keys
        refused = self._keys.bind(keys)
        self.page.panel.show_keys(keys)
        if refused:
            self.say(f"napari cannot use the key {' and '.join(refused)}; choose another one.", error=True)

    def _on_keys(self) -> None:
        self._remember(keys=self.page.keys_form.keys)
        self._bind_keys()

    def _on_zoom(self, zoom: bool) -> None:
        self._remember(zoom=zoom)
        if self.session is not None:
            self.session.zoom = zoom

    def _remember(self, **changes: object) -> None:
        self._habits = replace(self._habits, **changes)  # type: ignore[arg-type]  # its own fields
        save_habits(self._habits)

    def _is_own(self, layer: Layer) -> bool:
        session = self.session
        if session is None:
            return False
        return session.outline.owns(layer) or layer in [case.labels for case in session.cases]

    def _ask_review(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Open a review", str(self._habits.folder))
        if path:
            self.say("")
            self._remember(folder=Path(path).parent)
            self.controller.open(Path(path))

    def _ask_image(self, restored: Restored) -> None:
        self.say(restored.problem, error=True)
        path, _ = QFileDialog.getOpenFileName(self, f"Where is the image of {restored.case.name}?")
        if path:
            self.say("")
            self.controller.open_image(restored, Path(path))

    def _ask_export(self) -> None:
        session = self.session
        if session is None or session.current is None:
            return
        case = session.current.case
        title = f"Export the mask of {case.case.name}"
        path, chosen = QFileDialog.getSaveFileName(self, title, "", export_filters(case))
        if path:
            self.controller.export(case, with_suffix(Path(path), chosen))
