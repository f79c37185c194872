"""What the model listens to: the attention of its channel guidance, and the bands of its prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QLabel, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from napari_medfreq.widgets.frequencies.captions import band_name, direction_text, frequency_text, share_text
from napari_medfreq.widgets.frequencies.colours import BandColours
from napari_medfreq.widgets.frequencies.fan import BandFan

if TYPE_CHECKING:
    from napari_medfreq.engine.frequencies.results import CoefficientVote, Listening
    from napari_medfreq.transforms.bands import BandKey

_INTRO = (
    "Two places where the network weighs frequencies. Above: which cosines decide how strongly each feature counts. "
    "Below: which bands of the image are added to what the encoder sees."
)


class ListeningView(QWidget):
    """Shows a `Listening`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.listening: Listening | None = None
        self.table = QTableWidget(0, 0)
        self.fan = BandFan(clickable=False)
        self.about = QLabel(_INTRO)
        self._votes = QLabel("Attention to each cosine (share in %)")
        self._prompt = QLabel("What each band of the image adds to the features")
        for text in (self.about, self._votes, self._prompt):
            text.setWordWrap(True)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setMinimumHeight(150)
        self.table.setAccessibleName("Attention of the model to each cosine")
        self.fan.setAccessibleName("What each band of the prompt adds")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        for widget in (self.about, self._votes, self.table, self._prompt, self.fan):
            layout.addWidget(widget)
        layout.addStretch(1)
        self.show_listening(None)

    def show_listening(self, listening: Listening | None, where: str = "") -> None:
        """Show `listening`, of the plane that `where` names; None shows what is to be seen here."""
        self.listening = listening
        votes = () if listening is None else listening.votes
        prompt = () if listening is None else listening.prompt
        for widget in (self._votes, self.table):
            widget.setVisible(bool(votes))
        for widget in (self._prompt, self.fan):
            widget.setVisible(bool(prompt))
        self.about.setText(_INTRO if listening is None else _heading(listening, where))
        if listening is not None:
            self._show_votes(listening)
            self._show_prompt(listening)

    def _show_votes(self, listening: Listening) -> None:
        rows = sorted({(vote.stride, vote.scale) for vote in listening.votes})
        columns = sorted({vote.coefficient for vote in listening.votes}, key=lambda uv: (sum(uv), uv))
        self.table.setRowCount(len(rows))
        self.table.setColumnCount(len(columns))
        for row, (stride, scale) in enumerate(rows):
            header = QTableWidgetItem(f"1/{stride} · {scale}")
            header.setToolTip(f"Features at 1/{stride} of the model's pixels, scale {scale} of the guidance there")
            self.table.setVerticalHeaderItem(row, header)
        for column, (u, v) in enumerate(columns):
            header = QTableWidgetItem(f"{u},{v}")
            header.setToolTip(f"Cosine with {u} half waves down and {v} across the features")
            self.table.setHorizontalHeaderItem(column, header)
        most = max((vote.share for vote in listening.votes), default=1.0)
        colours = BandColours({}, logarithmic=False, limits=(0.0, most or 1.0))
        for vote in listening.votes:
            cell = _cell(vote, listening.unit, colours)
            self.table.setItem(rows.index((vote.stride, vote.scale)), columns.index(vote.coefficient), cell)
        header_view = self.table.horizontalHeader()
        header_view.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        height = self.table.rowHeight(0) * len(rows) + header_view.height() + 24 if rows else 0
        self.table.setFixedHeight(min(max(height, 60), 320))

    def _show_prompt(self, listening: Listening) -> None:
        bands = {entry.band.key: entry for entry in listening.prompt}
        if not bands:
            return
        finest = max(listening.prompt, key=lambda entry: entry.band.frequency[1])
        per_sample = finest.frequency[1] / finest.band.frequency[1]

        def tip(key: BandKey) -> str:
            entry = bands[key]
            return "\n".join(
                (
                    f"Band {band_name(entry.band)} {direction_text(entry.band)}",
                    f"Frequency: {frequency_text(entry.frequency, listening.unit)}",
                    f"Adds to this image: {share_text(entry.share)} of all bands",
                    f"Learned weight: {share_text(entry.weight)} of all bands",
                    f"Energy in this image: {entry.energy:.3g}",
                )
            )

        layout = [entry.band for entry in listening.prompt]
        self.fan.show_bands(layout, "squares", listening.unit, per_sample, tip)
        shares = {key: 100 * entry.share for key, entry in bands.items()}
        self.fan.show_colours(BandColours(shares, "Share", "%", logarithmic=False, limits=(0.0, max(shares.values()))))


def _heading(listening: Listening, where: str) -> str:
    place = f", {where}" if where else ""
    if not listening.votes and not listening.prompt:
        return f"{listening.model} has neither frequency guidance nor a frequency prompt: nothing to show."
    return f"{listening.model}{place}. Hover for details."


def _cell(vote: CoefficientVote, unit: str, colours: BandColours) -> QTableWidgetItem:
    cell = QTableWidgetItem(f"{100 * vote.share:.0f}")
    fraction = colours.fraction(vote.share)
    cell.setBackground(colours.at(fraction))
    cell.setForeground(QColor("#000000" if fraction > 0.6 else "#ffffff"))
    cell.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
    u, v = vote.frequency
    cell.setToolTip(
        f"Cosine {vote.coefficient[0]},{vote.coefficient[1]}: {u:.3g} {unit} down, {v:.3g} {unit} across\n"
        f"Attention in this image: {share_text(vote.share)}\n"
        f"Learned weight, the same for every image: {share_text(vote.weight)}"
    )
    return cell
