"""How the fan is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QBrush, QColor, QPalette, QPen

from napari_medfreq.widgets.frequencies.gains import decibels

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from qtpy.QtGui import QPainter, QPainterPath

    from napari_medfreq.transforms.bands import BandKey
    from napari_medfreq.widgets.frequencies.colours import BandColours
    from napari_medfreq.widgets.frequencies.regions import Region

_MUTED = QColor("#26292f")
_HATCH = QColor("#7d8590")
_UNKNOWN = QColor("#50555e")
_LINE = QColor("#101215")
_CURRENT = QColor("#ffffff")
_SELECTED = QColor("#58c4ff")
_BAR_WIDTH = 12


@dataclass(frozen=True)
class Marks:
    """What is to be seen of each band beside its colour."""

    gains: Mapping[BandKey, float]
    selected: Collection[BandKey]
    current: BandKey | None
    hovered: BandKey | None


class FanPainter:
    """Draws the parts of the fan.

    Parameters
    ----------
    painter : QPainter
        On the widget.
    palette : QPalette
        The widget's.
    square : QRectF
        Where the plane of frequencies lies.
    """

    def __init__(self, painter: QPainter, palette: QPalette, square: QRectF) -> None:
        self._painter = painter
        self._text = palette.color(QPalette.ColorRole.WindowText)
        self._square = square
        painter.setRenderHint(painter.RenderHint.Antialiasing)
        font = painter.font()
        font.setPointSizeF(max(7.0, font.pointSizeF() * 0.85))
        painter.setFont(font)

    def bands(
        self,
        regions: Sequence[Region],
        paths: Mapping[BandKey, QPainterPath],
        colours: BandColours,
        marks: Marks,
    ) -> None:
        """Fill the bands, then draw around those that are pointed at."""
        painter = self._painter
        for region in regions:
            path = paths[region.key]
            muted = marks.gains.get(region.key, 1.0) == 0
            painter.setPen(QPen(_LINE, 1))
            painter.setBrush(_MUTED if muted else colours.colour(region.key) or _UNKNOWN)
            painter.drawPath(path)
            if muted:
                painter.setBrush(QBrush(_HATCH, Qt.BrushStyle.BDiagPattern))
                painter.drawPath(path)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        outlines: list[tuple[BandKey | None, QPen]] = [(key, QPen(_SELECTED, 2.5)) for key in marks.selected]
        outlines += [(marks.hovered, QPen(_CURRENT, 1.5)), (marks.current, QPen(_CURRENT, 2.5, Qt.PenStyle.DashLine))]
        for key, pen in outlines:
            if key is not None and key in paths:
                painter.setPen(pen)
                painter.drawPath(paths[key])

    def texts(
        self, regions: Sequence[Region], gains: Mapping[BandKey, float], at: Callable[[float, float], QPointF]
    ) -> None:
        """Write the gain into each boosted or softened band, in both halves."""
        for region in regions:
            gain = gains.get(region.key, 1.0)
            if gain in (0.0, 1.0):
                continue
            x, y = region.centre
            for place in {(x, y), (-x, -y)}:
                self._outlined(at(*place), f"{decibels(gain):+.0f}")

    def edges(self, edges: Sequence[tuple[float, str]], unit: str) -> None:
        """Write the frequency of each scale's outer edge below the plane, from the centre to the right."""
        painter, square = self._painter, self._square
        painter.setPen(self._text)
        baseline = square.bottom() + 2
        metrics = painter.fontMetrics()
        painter.drawText(QPointF(square.left(), baseline + metrics.ascent()), unit)
        left_of_all = square.left() + metrics.horizontalAdvance(unit) + 6
        free = square.right() + 30.0
        # From the finest on: where there is no room it is the coarse ones that have to do without.
        for place, text in reversed(edges):
            x = square.center().x() + place * square.width() / 2
            width = metrics.horizontalAdvance(text)
            left = min(x - width / 2, square.right() + 24 - width)
            if left + width > free or left < left_of_all:
                continue
            free = left - 5
            painter.drawLine(QPointF(x, square.bottom()), QPointF(x, baseline))
            painter.drawText(QPointF(left, baseline + metrics.ascent()), text)

    def bar(self, colours: BandColours, place: QRectF) -> None:
        """Draw the colour bar with its numbers and, along it, what they are."""
        if not colours.values:
            return
        painter = self._painter
        top, bottom = self._square.top() + 6, self._square.bottom() - 6
        rod = QRectF(place.left(), top, _BAR_WIDTH, bottom - top)
        painter.setPen(QPen(_LINE, 1))
        painter.setBrush(QBrush(colours.gradient(top, bottom)))
        painter.drawRect(rod)
        painter.setPen(self._text)
        ascent = painter.fontMetrics().ascent()
        for fraction, text in colours.ticks():
            y = bottom - fraction * (bottom - top)
            painter.drawLine(QPointF(rod.right(), y), QPointF(rod.right() + 3, y))
            painter.drawText(QPointF(rod.right() + 5, y + ascent / 2 - 1), text)
        painter.save()
        painter.translate(rod.left() - 4, (top + bottom) / 2)
        painter.rotate(-90)
        unit = f" ({colours.unit})" if colours.unit else ""
        half = self._square.height() / 2
        painter.drawText(QRectF(-half, -16, 2 * half, 16), int(Qt.AlignmentFlag.AlignCenter), f"{colours.title}{unit}")
        painter.restore()

    def _outlined(self, point: QPointF, text: str) -> None:
        """Write `text` so that it can be read on every colour."""
        painter = self._painter
        metrics = painter.fontMetrics()
        box = QRectF(0, 0, metrics.horizontalAdvance(text) + 6, metrics.height())
        box.moveCenter(point)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 170))
        painter.drawRoundedRect(box, 3, 3)
        painter.setPen(_CURRENT)
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), text)
