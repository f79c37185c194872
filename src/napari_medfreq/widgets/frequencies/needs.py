"""What the model needs: how much of its mask is left when each band is muted."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QLabel, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from napari_medfreq.widgets.frequencies.captions import direction_text, shape_of_bands
from napari_medfreq.widgets.frequencies.colours import BandColours
from napari_medfreq.widgets.frequencies.fan import BandFan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_medfreq.engine.frequencies.results import Analysis
    from napari_medfreq.transforms.bands import BandKey

_INTRO = (
    "Each band of the image is muted in turn and the plane is segmented again. Dice 1: the same mask, the band is not "
    "needed; Dice 0: another mask altogether."
)
_HEADERS = ("Band", "Frequency", "Direction", "Dice without")
_DARK_LOSS = 0.6


class NeedsView(QWidget):
    """Shows the Dice of the mask without each band, as they come in."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.dice: dict[BandKey, float] = {}
        self._analysis: Analysis | None = None
        self.about = QLabel(_INTRO)
        self.fan = BandFan(clickable=False)
        self.table = QTableWidget(0, len(_HEADERS))
        self.about.setWordWrap(True)
        self.fan.setAccessibleName("What the mask loses without each band")
        self.table.setHorizontalHeaderLabels(_HEADERS)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.verticalHeader().hide()
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.table.setMinimumHeight(170)
        self.table.setAccessibleName("Dice of the mask without each band")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        for widget in (self.about, self.fan, self.table):
            layout.addWidget(widget)
        layout.addStretch(1)
        self._show(False)

    def begin(self, analysis: Analysis) -> None:
        """Prepare for the bands of `analysis`."""
        self.dice = {}
        self._analysis = analysis
        shape = shape_of_bands(analysis.options.transform)
        self.fan.show_bands(analysis.layout, shape, analysis.unit, 2 * analysis.nyquist, self._tip)
        self.about.setText(_INTRO)
        self.table.setHorizontalHeaderLabels((_HEADERS[0], analysis.unit, *_HEADERS[2:]))
        self.show_dice({})
        self._show(True)

    def show_dice(self, dice: Mapping[BandKey, float]) -> None:
        """Show what is known so far."""
        self.dice.update(dice)
        loss = {key: 1 - value for key, value in self.dice.items() if not isnan(value)}
        # Hardly any mask is left without the low-pass band: beside it all others would look alike.
        most = max((0.01, *(value for key, value in loss.items() if key.scale > 0)))
        colours = BandColours(loss, "Mask lost without it", "1 − Dice", logarithmic=False, limits=(0.0, most))
        self.fan.show_colours(colours)
        measures = {} if self._analysis is None else {measure.key: measure for measure in self._analysis.bands}
        # What is needed most stands first.
        rows = sorted((key for key in self.dice if key in measures), key=lambda key: self.dice[key])
        self.table.setRowCount(len(rows))
        for row, key in enumerate(rows):
            measure = measures[key]
            low, high = measure.frequency
            texts = (str(key), f"{low:.3g}–{high:.3g}", direction_text(measure.band))
            for column, text in enumerate((*texts, f"{self.dice[key]:.3f}")):
                item = QTableWidgetItem(text)
                item.setTextAlignment(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft)
                self.table.setItem(row, column, item)
            part = colours.fraction(1 - self.dice[key])
            self.table.item(row, 3).setBackground(colours.at(part))
            self.table.item(row, 3).setForeground(QColor("#000000" if part > _DARK_LOSS else "#ffffff"))

    def finish(self, model: str, where: str, pixels: int) -> None:
        """Say what was found."""
        place = f", {where}" if where else ""
        if pixels == 0:
            self.about.setText(
                f"{model} finds nothing in this plane{place}: there is no mask to lose. Go to a plane in which it does."
            )
        else:
            self.about.setText(f"{model}{place}: mask of {pixels:,} pixels with all bands. {_INTRO}")

    def reset(self) -> None:
        """Show what is to be seen here."""
        self.dice = {}
        self.about.setText(_INTRO)
        self._show(False)

    def _show(self, on: bool) -> None:
        self.fan.setVisible(on)
        self.table.setVisible(on)

    def _tip(self, key: BandKey) -> str:
        value = self.dice.get(key)
        return f"Band {key}\n" + ("not tried yet" if value is None else f"Dice without it: {value:.3f}")
