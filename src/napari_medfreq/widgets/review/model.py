"""The queue as Qt's model: sorted and filtered here, so that thousands of rows are there at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QColor

from napari_medfreq.widgets.review.rows import DONE, Row, size_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROLE = Qt.ItemDataRole
LEFT = "left to look at"
CASE_COLUMN, LABEL_COLUMN, SLICE_COLUMN = 2, 3, 5
_HEADERS = ("#", "State", "Image", "Label", "Size", "Slice", "Gain")
_TIPS = (
    "Place in the queue: what is gained for each voxel that has to be looked at, best first",
    "open, corrected (painted on), accepted (the mask is right) or flagged (for somebody else to decide)",
    "The image that the region is in",
    "The label whose outline the region belongs to",
    "How much has to be looked at",
    "Where the region is most uncertain, as the slider counts",
    "How much the Dice coefficient of this image is expected to grow where the region is corrected",
)
_COLOURS = {"corrected": "#7fd18b", "accepted": "#7fb8e8", "flagged": "#f0c060"}
_SORT: tuple[Callable[[Row], Any], ...] = (
    lambda row: row.rank,
    lambda row: (row.state, row.rank),
    lambda row: (row.case.case.name.lower(), row.rank),
    lambda row: (row.label, row.rank),
    lambda row: (row.region.size, -row.rank),
    lambda row: (-1 if row.plane is None else row.plane, row.rank),
    lambda row: (row.region.gain, -row.rank),
)


@dataclass(frozen=True)
class Filter:
    """Which rows to show; None is any.

    Attributes
    ----------
    state : str or None
        A state, or `LEFT` for what is open or flagged.
    label : str or None
        The name of a label.
    case : str or None
        The id of a case.
    smallest : float
        In the unit of the region.
    """

    state: str | None = None
    label: str | None = None
    case: str | None = None
    smallest: float = 0.0

    def passes(self, row: Row) -> bool:
        """Return whether `row` is to be shown."""
        return (
            (self.state is None or row.state == self.state or (self.state == LEFT and row.state not in DONE))
            and self.label in (None, row.label)
            and self.case in (None, row.case.id)
            and row.region.size >= self.smallest
        )


class QueueModel(QAbstractTableModel):
    """Rows of the queue, as many as pass the filter, in the chosen order.

    The row that the user is at stays where it is until he leaves it, whatever becomes of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._all: Sequence[Row] = ()
        self.shown: list[Row] = []
        self._places: dict[tuple[str, int], int] = {}
        self.filter = Filter()
        self._column, self._descending = 0, False
        self._kept: Row | None = None

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show another queue."""
        self._all, self._kept = rows, None
        self._arrange()

    def set_filter(self, chosen: Filter) -> None:
        """Show what passes `chosen`."""
        self.filter = chosen
        self._arrange()

    def keep(self, row: Row | None) -> None:
        """Say where the user is."""
        before, self._kept = self._kept, row
        left = before is not None and before is not row and not self.filter.passes(before)
        if left or (row is not None and self.place(row) is None):
            self._arrange()

    def update_row(self, row: Row) -> None:
        """Draw `row` anew; one that the user is not at goes if it no longer passes."""
        place = self.place(row)
        shown = row is self._kept or self.filter.passes(row)
        if (place is not None) != shown:
            self._arrange()
        elif place is not None:
            self.dataChanged.emit(self.index(place, 0), self.index(place, len(_HEADERS) - 1))

    def place(self, row: Row) -> int | None:
        """Return where `row` is in the table, or None."""
        return self._places.get(row.key)

    def rowCount(self, parent: Any = None) -> int:
        """Qt asks how many rows there are."""
        return 0 if parent is not None and parent.isValid() else len(self.shown)

    def columnCount(self, parent: Any = None) -> int:
        """Qt asks how many columns there are."""
        return 0 if parent is not None and parent.isValid() else len(_HEADERS)

    def data(self, index: QModelIndex, role: int = ROLE.DisplayRole) -> Any:
        """Qt asks what to draw."""
        row, column = self.shown[index.row()], index.column()
        if role == ROLE.DisplayRole:
            return _texts(row)[column]
        if role == ROLE.TextAlignmentRole and column in (0, 4, 5, 6):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == ROLE.ForegroundRole and column == 1 and row.state in _COLOURS:
            return QColor(_COLOURS[row.state])
        if role == ROLE.ToolTipRole:
            region = row.region
            what = f"{row.case.case.name}, {row.label}"
            return f"{what}: {region.voxels:,} voxels, mean uncertainty {region.uncertainty:.2f}"
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = ROLE.DisplayRole) -> Any:
        """Qt asks for a header."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        return {ROLE.DisplayRole: _HEADERS[section], ROLE.ToolTipRole: _TIPS[section]}.get(ROLE(role))

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by `column`; a column of -1 is the queue's own order."""
        self._column, self._descending = max(column, 0), order == Qt.SortOrder.DescendingOrder
        self._arrange()

    def _arrange(self) -> None:
        self.beginResetModel()
        passing = (row for row in self._all if row is self._kept or self.filter.passes(row))
        self.shown = sorted(passing, key=_SORT[self._column], reverse=self._descending)
        self._places = {row.key: place for place, row in enumerate(self.shown)}
        self.endResetModel()


def _texts(row: Row) -> tuple[str, ...]:
    region, plane = row.region, row.plane
    return (
        str(row.rank),
        row.state,
        row.case.case.name,
        row.label,
        size_text(region.size, region.size_unit),
        "" if plane is None else str(plane),
        f"+{region.gain:.4f}",
    )
