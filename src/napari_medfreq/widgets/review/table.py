"""The queue as a table with its filters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magicgui.widgets import ComboBox, FloatSpinBox
from qtpy.QtCore import QItemSelectionModel, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QFormLayout, QHeaderView, QMenu, QTableView, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_medfreq.io.review import STATES
from napari_medfreq.widgets.review.model import CASE_COLUMN, LABEL_COLUMN, LEFT, SLICE_COLUMN, Filter, QueueModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtCore import QPoint

    from napari_medfreq.widgets.review.rows import Row

_HEIGHT = 220
_NAME_WIDTH = 76


class QueueTable(QWidget):
    """Shows the queue; a click on a row goes there.

    Attributes
    ----------
    chosen : Signal(Row)
        The user clicked on a row or moved to it with the arrow keys.
    state_asked : Signal(object, str)
        The user wants the state of the selected rows (a list) changed.
    """

    chosen = Signal(object)
    state_asked = Signal(object, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = QueueModel()
        self.view = QTableView()
        self.state = ComboBox(name="state", label="State", choices=_states())
        self.label = ComboBox(name="label", label="Label", choices=[("any", None)])
        self.case = ComboBox(name="image", label="Image", choices=[("any", None)])
        self.smallest = FloatSpinBox(name="smallest", label="At least", value=0, min=0, max=1e9, step=5)
        self._lay_out()
        for widget in (self.state, self.label, self.case, self.smallest):
            widget.changed.connect(self._on_filter)
        self.view.selectionModel().currentRowChanged.connect(self._on_current)
        self.model.modelReset.connect(self._select_kept)
        self._at: Row | None = None

    def show_rows(self, rows: Sequence[Row]) -> None:
        """Show another queue."""
        labels = list(dict.fromkeys(row.label for row in rows))
        cases = {row.case.id: row.case.case.name for row in rows}
        self.label.choices = [("any", None), *((name, name) for name in labels)]
        self.case.choices = [("any", None), *((name, key) for key, name in cases.items())]
        units = {row.region.size_unit for row in rows}
        self.smallest.label = f"At least ({units.pop()})" if len(units) == 1 else "At least"
        self.view.setColumnHidden(CASE_COLUMN, len(cases) < 2)
        self.view.setColumnHidden(LABEL_COLUMN, len(labels) < 2)
        self.view.setColumnHidden(SLICE_COLUMN, all(len(row.case.shape) < 3 for row in rows))
        self.model.set_rows(rows)

    def show_current(self, row: Row | None) -> None:
        """Mark where the user is."""
        self._at = row
        self.model.keep(row)
        self._select_kept()

    def next_open(self) -> Row | None:
        """Return the next row below that is open, or the first one from the top; None if none is left."""
        shown = self.model.shown
        place = None if self._at is None else self.model.place(self._at)
        order = shown if place is None else [*shown[place + 1 :], *shown[:place]]
        return next((row for row in order if row.state == "open"), None)

    def row_above(self) -> Row | None:
        """Return the row above the one where the user is."""
        place = None if self._at is None else self.model.place(self._at)
        if place is None or place == 0:
            return None
        return self.model.shown[place - 1]

    def _lay_out(self) -> None:
        view = self.view
        view.setModel(self.model)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        view.setAccessibleName("Regions to look at")
        view.verticalHeader().hide()
        view.verticalHeader().setDefaultSectionSize(view.fontMetrics().height() + 8)
        header = view.horizontalHeader()
        # Of the rows that are seen: measuring thousands would take seconds.
        header.setResizeContentsPrecision(0)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        for column in (CASE_COLUMN, LABEL_COLUMN):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Interactive)
            view.setColumnWidth(column, _NAME_WIDTH)
        header.setStretchLastSection(True)
        header.setSortIndicator(0, Qt.SortOrder.AscendingOrder)
        view.setSortingEnabled(True)
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        view.customContextMenuRequested.connect(self._on_menu)
        view.setMinimumHeight(_HEIGHT)
        filters = QWidget()
        rows = QFormLayout(filters)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for widget in (self.state, self.label, self.case, self.smallest):
            rows.addRow(widget.label, widget.native)
        more = QCollapsible("Filters")
        more.addWidget(filters)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(more)
        layout.addWidget(view, 1)

    def _on_filter(self, _value: object = None) -> None:
        self.model.set_filter(Filter(self.state.value, self.label.value, self.case.value, self.smallest.value))

    def _on_current(self, current: object, _previous: object) -> None:
        place = current.row()  # type: ignore[attr-defined]  # a QModelIndex
        if 0 <= place < len(self.model.shown) and self.model.shown[place] is not self._at:
            self.chosen.emit(self.model.shown[place])

    def _select_kept(self) -> None:
        """Select the row where the user is, without saying that it was chosen."""
        place = None if self._at is None else self.model.place(self._at)
        selection = self.view.selectionModel()
        if place is not None and selection.isRowSelected(place, selection.model().index(-1, -1)):
            return  # several may be selected
        blocked = selection.blockSignals(True)
        if place is None:
            selection.clear()
        else:
            index = self.model.index(place, 0)
            flags = QItemSelectionModel.SelectionFlag
            selection.setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)
            self.view.scrollTo(index)
        selection.blockSignals(blocked)
        self.view.viewport().update()

    def _on_menu(self, place: QPoint) -> None:
        rows = [self.model.shown[index.row()] for index in self.view.selectionModel().selectedRows()]
        if not rows:
            return
        menu = QMenu(self)
        for state, title in (("accepted", "Accept"), ("flagged", "Flag"), ("open", "Open again")):
            menu.addAction(title, lambda state=state: self.state_asked.emit(rows, state))
        menu.exec(self.view.viewport().mapToGlobal(place))
        menu.deleteLater()


def _states() -> list[tuple[str, str | None]]:
    others = [(state, state) for state in STATES]
    return [("any", None), (LEFT, LEFT), *others]
