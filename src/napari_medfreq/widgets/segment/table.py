"""The table of what was found, a row a label."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QKeySequence, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QApplication, QHeaderView, QShortcut, QTableWidget, QTableWidgetItem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtWidgets import QWidget

    from napari_medfreq.engine.options import Region

_HEADERS = ("Found", "Size", "Probability", "Uncertainty")
_TIPS = (
    "The label's colour and name",
    "Volume in millilitres, area in mm², or pixels where the image states no size",
    "Mean probability over the label's voxels",
    "Mean uncertainty over the label's voxels: entropy of the Monte Carlo passes, 0 to 1",
)


class RegionTable(QTableWidget):
    """Shows `Region`s; Ctrl+C copies them as CSV."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(_HEADERS), parent)
        self._regions: tuple[Region, ...] = ()
        for column, (text, tip) in enumerate(zip(_HEADERS, _TIPS, strict=True)):
            item = QTableWidgetItem(text)
            item.setToolTip(tip)
            self.setHorizontalHeaderItem(column, item)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.setMinimumHeight(96)
        self.setAccessibleName("What was found")
        copy = QShortcut(QKeySequence(QKeySequence.StandardKey.Copy), self)
        copy.setContext(Qt.ShortcutContext.WidgetShortcut)
        copy.activated.connect(self.copy)

    def show_regions(self, regions: Sequence[Region]) -> None:
        """Replace the rows by `regions`."""
        self._regions = tuple(regions)
        self.setRowCount(len(self._regions))
        for row, region in enumerate(self._regions):
            name = QTableWidgetItem(_swatch(region.label.colour), region.label.name)
            self.setItem(row, 0, name)
            numbers = (region.size_text, _fraction(region.mean_probability), _fraction(region.mean_uncertainty))
            for column, text in enumerate(numbers, start=1):
                item = QTableWidgetItem(text)
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.setItem(row, column, item)

    def copy(self) -> None:
        """Put the table on the clipboard as CSV, with all digits."""
        QApplication.clipboard().setText(regions_csv(self._regions))


def regions_csv(regions: Sequence[Region]) -> str:
    """Return `regions` as CSV with a header; what is not known is left empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("value", "label", "voxels", "size", "unit", "mean_probability", "mean_uncertainty"))
    for region in regions:
        label = region.label
        means = ("" if mean is None else mean for mean in (region.mean_probability, region.mean_uncertainty))
        writer.writerow((label.value, label.name, region.voxels, region.size, region.size_unit, *means))
    return text.getvalue()


def _fraction(mean: float | None) -> str:
    return "–" if mean is None else f"{mean:.2f}"


def _swatch(colour: str) -> QIcon:
    pixmap = QPixmap(14, 14)
    pixmap.fill(QColor(colour))
    return QIcon(pixmap)
