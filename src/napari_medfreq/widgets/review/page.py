"""Everything that the dock shows, laid out from top to bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QFrame, QHBoxLayout, QPushButton, QScrollArea, QSizePolicy, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_medfreq.widgets.review.form import ReviewForm
from napari_medfreq.widgets.review.keys import KeysForm
from napari_medfreq.widgets.review.panel import QueuePanel
from napari_medfreq.widgets.review.place import FolderRow
from napari_medfreq.widgets.review.status import StatusFoot

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_medfreq.widgets.review.habits import Habits
    from napari_medfreq.widgets.review.session import ReviewSession

_WIDTH = 380


class ReviewPage(QWidget):
    """The widgets of the dock.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers can be chosen.
    habits : Habits
        What is preset.
    is_own : callable
        Tells which layers cannot be chosen: the dock's own, and those under review already.
    """

    def __init__(self, viewer: Viewer, habits: Habits, is_own: Callable[[Layer], bool]) -> None:
        super().__init__()
        self.form = ReviewForm(viewer, is_own)
        self.folder = FolderRow(habits.folder)
        self.begin_button = QPushButton("Begin review")
        self.open_button = QPushButton("Open a review…")
        self.what = QCollapsible("What to review")
        self.panel = QueuePanel()
        self.export_button = QPushButton("Export mask…")
        self.close_button = QPushButton("Close review")
        self.zoom_box = QCheckBox("Zoom in on each region")
        self.keys_form = KeysForm(habits.keys)
        self.foot = StatusFoot()
        # Else napari pushes everything up.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self._ends = QWidget()
        self._sections = QVBoxLayout()
        self.begin_button.setToolTip(
            "Look for the regions where the mask is most likely wrong, and start with the best"
        )
        self.open_button.setToolTip("Go on with a review: its images, masks, corrections and decisions come back")
        self.export_button.setToolTip("Save the corrected mask on the voxels of its image")
        self.close_button.setToolTip("Everything is saved already; layers that came with the review leave with it")
        self.zoom_box.setChecked(habits.zoom)
        self._lay_out()

    def add_section(self, title: str, content: QWidget) -> QCollapsible:
        """Add a section that is rarely open, closed, at the end."""
        section = QCollapsible(title)
        section.addWidget(content)
        self._sections.addWidget(section)
        return section

    def show_state(self, session: ReviewSession | None, *, busy: bool) -> None:
        """Offer what makes sense now."""
        reviewing = session is not None and bool(session.rows)
        self.begin_button.setText("Add to the review" if session is not None else "Begin review")
        self.begin_button.setEnabled(not busy)
        self.open_button.setEnabled(not busy)
        self.folder.setVisible(session is None)
        self.panel.setVisible(reviewing)
        self._ends.setVisible(session is not None)
        self.export_button.setEnabled(session is not None and session.current is not None)

    def _lay_out(self) -> None:
        inside = QWidget()
        layout = QVBoxLayout(inside)
        self.what.addWidget(self._question())
        self.what.expand(animate=False)
        habits = QWidget()
        rows = QVBoxLayout(habits)
        rows.addWidget(self.zoom_box)
        rows.addWidget(self.keys_form)
        self.add_section("Keys and view", habits)
        ends = QHBoxLayout(self._ends)
        ends.setContentsMargins(0, 0, 0, 0)
        ends.addWidget(self.export_button)
        ends.addWidget(self.close_button)
        layout.addWidget(self.what)
        layout.addWidget(self.panel, 1)
        layout.addWidget(self._ends)
        layout.addLayout(self._sections)
        layout.addStretch(0)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inside)
        scroll.setMinimumWidth(_WIDTH)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll, 1)
        outer.addWidget(self.foot)

    def _question(self) -> QWidget:
        ask = QWidget()
        column = QVBoxLayout(ask)
        column.setContentsMargins(0, 0, 0, 0)
        line = QHBoxLayout()
        line.addWidget(self.begin_button)
        line.addWidget(self.open_button)
        column.addWidget(self.form)
        column.addWidget(self.folder)
        column.addLayout(line)
        return ask
