"""The fan: every band in its place in the plane of frequencies, to look at, click on and walk through by key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QPainter, QPainterPath, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_medfreq.widgets.frequencies.colours import BandColours
from napari_medfreq.widgets.frequencies.painting import FanPainter, Marks
from napari_medfreq.widgets.frequencies.regions import regions_of, scale_edges

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from qtpy.QtGui import QContextMenuEvent, QKeyEvent, QMouseEvent, QPaintEvent, QResizeEvent

    from napari_medfreq.transforms.bands import Band, BandKey
    from napari_medfreq.widgets.frequencies.regions import Region, Shape

_BAR_SPACE = 78
_MARGIN = 18
_STEPS = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
_CLIMBS = {Qt.Key.Key_Up: 1, Qt.Key.Key_Down: -1}
HINT = (
    "Click a band to mute it, Shift+click to hear it alone, Ctrl+click to select several.\n"
    "Keys: arrows walk, Space mutes, S solo, + and - change the gain, menu key for more."
)


class BandFan(QWidget):
    """The bands of a transform in the plane of frequencies.

    Attributes
    ----------
    muted : Signal(BandKey)
        A band was clicked: mute it, or end that.
    soloed : Signal(BandKey)
        A band was clicked with Shift: mute all others, or end that.
    stepped : Signal(BandKey, int)
        One step louder (1) or softer (-1).
    current_changed : Signal(BandKey)
        Another band is the current one.
    menu_asked : Signal(QPoint)
        The user wants the menu of the selected bands, there on the screen.
    """

    muted = Signal(object)
    soloed = Signal(object)
    stepped = Signal(object, int)
    current_changed = Signal(object)
    menu_asked = Signal(object)

    def __init__(self, parent: QWidget | None = None, *, clickable: bool = True) -> None:
        super().__init__(parent)
        self._clickable = clickable
        self._regions: tuple[Region, ...] = ()
        self._edges: list[tuple[float, str]] = []
        self._unit = ""
        self._paths: dict[BandKey, QPainterPath] = {}
        self._colours = BandColours()
        self._gains: Mapping[BandKey, float] = {}
        self._tip: Callable[[BandKey], str] = str
        self._current: BandKey | None = None
        self._hovered: BandKey | None = None
        self.selected: set[BandKey] = set()
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if clickable else Qt.FocusPolicy.NoFocus)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setMinimumSize(220, 160)
        self.setAccessibleName("Bands in the plane of frequencies")
        self.setAccessibleDescription(HINT)

    @property
    def current(self) -> BandKey | None:
        """The band that keys act on."""
        return self._current

    @property
    def chosen(self) -> tuple[BandKey, ...]:
        """The selected bands, or the current one, in the order of the layout."""
        keys: set[BandKey | None] = {*self.selected} or {self._current}
        return tuple(region.key for region in self._regions if region.key in keys)

    def show_bands(
        self, layout: Sequence[Band], shape: Shape, unit: str, per_sample: float, tip: Callable[[BandKey], str]
    ) -> None:
        """Show the bands of `layout`.

        Parameters
        ----------
        layout : sequence of Band
            The bands.
        shape : {"squares", "rings"}
            How they tile the plane.
        unit : str
            Of frequencies.
        per_sample : float
            How much of `unit` one cycle per sample is.
        tip : callable
            What to say about a band.
        """
        self._regions = regions_of(layout, shape)
        edges = scale_edges(layout) if layout else []
        self._edges = [(place, f"{frequency * per_sample:.2g}") for place, frequency in edges]
        self._unit = unit
        self._tip = tip
        keys = {band.key for band in layout}
        self.selected &= keys
        if self._current not in keys:
            self._current = next((band.key for band in layout if band.key.scale > 0), None)
            self.current_changed.emit(self._current)
        self._build_paths()

    def show_colours(self, colours: BandColours) -> None:
        """Colour the bands."""
        self._colours = colours
        self.update()

    def show_gains(self, gains: Mapping[BandKey, float]) -> None:
        """Show which bands are muted or boosted."""
        self._gains = dict(gains)
        self.update()

    def set_current(self, key: BandKey | None) -> None:
        """Make `key` the band that keys act on."""
        if key != self._current:
            self._current = key
            self.current_changed.emit(key)
            self.update()

    def point_of(self, key: BandKey) -> QPointF:
        """Return a point of the widget that lies in the band `key`."""
        region = next(region for region in self._regions if region.key == key)
        return self._at(*region.centre)

    def band_at(self, point: QPointF) -> BandKey | None:
        """Return the band at a point of the widget, or None."""
        return next((key for key, path in self._paths.items() if path.contains(point)), None)

    def heightForWidth(self, width: int) -> int:
        """Keep the plane square."""
        return max(160, min(width - _BAR_SPACE - _MARGIN, 420) + 2 * _MARGIN)

    def sizeHint(self) -> QSize:
        """Fit a dock of usual width."""
        return QSize(360, self.heightForWidth(360))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the bands, their frequencies and the colour bar."""
        marks = Marks(self._gains, self.selected, self._current if self.hasFocus() else None, self._hovered)
        with QPainter(self) as painter:
            plane = FanPainter(painter, self.palette(), self._square())
            plane.bands(self._regions, self._paths, self._colours, marks)
            plane.texts(self._regions, self._gains, self._at)
            plane.edges(self._edges, self._unit)
            plane.bar(self._colours, QRectF(self.width() - _BAR_SPACE + 26, 0, _BAR_SPACE - 26, self.height()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the bands to the new size."""
        self._build_paths()

    def event(self, event: QEvent) -> bool:
        """Say what the band under the mouse is."""
        if event.type() == QEvent.Type.ToolTip:
            key = self.band_at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), HINT if key is None and self._clickable else self.tip(key), self)
            return True
        return bool(super().event(event))

    def tip(self, key: BandKey | None) -> str:
        """Return what is said about the band `key`."""
        return "" if key is None else self._tip(key)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Mute, solo or select the band."""
        key = self.band_at(event.position())
        if not self._clickable or key is None or event.button() != Qt.MouseButton.LeftButton:
            return
        modifiers = event.modifiers()
        self.set_current(key)
        if modifiers & Qt.KeyboardModifier.ControlModifier:
            self.selected ^= {key}
        else:
            self.selected.clear()
            (self.soloed if modifiers & Qt.KeyboardModifier.ShiftModifier else self.muted).emit(key)
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Light both halves of the band under the mouse."""
        hovered = self.band_at(event.position())
        if hovered != self._hovered:
            self._hovered = hovered
            self.update()

    def leaveEvent(self, event: QEvent) -> None:
        """Light no band."""
        self._hovered = None
        self.update()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Ask for the menu of the band under the mouse, or of the selected ones."""
        key = self.band_at(QPointF(event.pos())) if event.reason() == event.Reason.Mouse else self._current
        if not self._clickable or key is None:
            return
        if key not in self.selected:
            self.selected.clear()
        self.set_current(key)
        self.update()
        self.menu_asked.emit(event.globalPos())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Walk, mute, solo, louder, softer."""
        key = self._current
        pressed = Qt.Key(event.key())
        if key is None:
            super().keyPressEvent(event)
        elif pressed in _STEPS or pressed in _CLIMBS:
            self._walk(_STEPS.get(pressed, 0), _CLIMBS.get(pressed, 0))
        elif pressed in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.muted.emit(key)
        elif pressed == Qt.Key.Key_S:
            self.soloed.emit(key)
        elif pressed in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            self.stepped.emit(key, -1 if pressed == Qt.Key.Key_Minus else 1)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QEvent) -> None:
        """Show the current band."""
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QEvent) -> None:
        """Show no current band."""
        super().focusOutEvent(event)
        self.update()

    def _walk(self, along: int, outward: int) -> None:
        """Make the next band of the scale, or the band in the same direction of the next scale, the current one."""
        if self._current is None:
            return
        keys = [region.key for region in self._regions]
        scale = self._current.scale + outward
        row = [key for key in keys if key.scale == scale]
        if not row:
            return
        old = [key for key in keys if key.scale == self._current.scale]
        place = (old.index(self._current) + along) % len(old)
        self.set_current(row[place * len(row) // len(old)])

    def _square(self) -> QRectF:
        side = min(self.width() - _BAR_SPACE - _MARGIN, self.height() - 2 * _MARGIN)
        left = _MARGIN / 2 + max(0.0, (self.width() - _BAR_SPACE - _MARGIN - side) / 2)
        return QRectF(left, (self.height() - side) / 2, side, side)

    def _at(self, x: float, y: float) -> QPointF:
        square = self._square()
        half = square.width() / 2
        return QPointF(square.center().x() + half * x, square.center().y() + half * y)

    def _build_paths(self) -> None:
        self._paths = {}
        for region in self._regions:
            path = QPainterPath()
            path.setFillRule(Qt.FillRule.OddEvenFill)
            for polygon in region.polygons:
                path.addPolygon(QPolygonF([self._at(float(x), float(y)) for x, y in polygon]))
                path.closeSubpath()
            self._paths[region.key] = path
        self.update()
