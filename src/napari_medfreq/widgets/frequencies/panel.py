"""The Bands tab: the fan, the gain of the current band, undo and presets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPoint, Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QShortcut,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_medfreq.engine.frequencies.presets import PRESETS
from napari_medfreq.widgets.frequencies.captions import shape_of_bands, short_text, tip_text
from napari_medfreq.widgets.frequencies.colours import BandColours
from napari_medfreq.widgets.frequencies.fan import HINT, BandFan
from napari_medfreq.widgets.frequencies.gains import MAX_DECIBELS, MIN_DECIBELS, decibels, factor, gain_text

if TYPE_CHECKING:
    from napari_medfreq.engine.frequencies.results import Analysis
    from napari_medfreq.transforms.bands import BandKey
    from napari_medfreq.widgets.frequencies.gains import GainHistory

_STEP = 0.5
_MUTED = MIN_DECIBELS - 1
_KEY_STEP = 3.0


class BandPanel(QWidget):
    """Shows what the bands hold, and changes their gains.

    Parameters
    ----------
    gains : GainHistory
        The gains; followed and changed.
    parent : QWidget, optional
        Qt's parent.

    Attributes
    ----------
    layers_asked : Signal(str)
        Add the chosen bands as layers: ``coefficients`` or ``component``.
    """

    layers_asked = Signal(str)

    def __init__(self, gains: GainHistory, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.gains = gains
        self._analysis: Analysis | None = None
        self.fan = BandFan()
        self.about = QLabel(HINT)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.spin = QDoubleSpinBox()
        self.mute = QPushButton("Mute")
        self.solo = QPushButton("Solo")
        self.undo = QPushButton("Undo")
        self.redo = QPushButton("Redo")
        self.reset = QPushButton("Reset")
        self.preset = QPushButton("Presets")
        self._lay_out()
        self._connect()
        self._on_gains()
        self._on_current(None)

    def show_analysis(self, analysis: Analysis | None) -> None:
        """Show the bands and their energy."""
        self._analysis = analysis
        if analysis is None:
            self.fan.show_bands((), "squares", "", 1.0, str)
            self.fan.show_colours(BandColours())
        else:
            shape = shape_of_bands(analysis.options.transform)
            self.fan.show_bands(analysis.layout, shape, analysis.unit, 2 * analysis.nyquist, self._tip)
            energy = {measure.key: measure.energy for measure in analysis.bands}
            self.fan.show_colours(BandColours(energy, "Energy of the band", "squared intensity"))
        self._on_current(self.fan.current)

    def tip(self, key: BandKey) -> str:
        """Return what is said about the band `key`."""
        return self._tip(key)

    def _lay_out(self) -> None:
        for widget, tip in (
            (self.mute, "Take the band out of the image, or put it back (Space)"),
            (self.solo, "Leave this band alone in the image, or put the others back (S)"),
            (self.undo, "Take back the last change (Ctrl+Z)"),
            (self.redo, "Make it again (Ctrl+Shift+Z)"),
            (self.reset, "Leave every band as it is in the image"),
            (self.preset, "Ready-made gains for all bands"),
            (self.slider, "Gain of the band: left softer, right louder, far left muted"),
            (self.spin, "Gain of the band in decibels: +6 dB doubles it"),
        ):
            widget.setToolTip(tip)
        for button in (self.mute, self.solo):
            button.setCheckable(True)
        self.slider.setRange(round(_MUTED / _STEP), round(MAX_DECIBELS / _STEP))
        self.slider.setAccessibleName("Gain of the band in decibels")
        self.spin.setRange(_MUTED, MAX_DECIBELS)
        self.spin.setSingleStep(1.0)
        self.spin.setDecimals(1)
        self.spin.setSuffix(" dB")
        self.spin.setSpecialValueText("muted")
        self.spin.setKeyboardTracking(False)
        self.about.setWordWrap(True)
        menu = QMenu(self.preset)
        for name in PRESETS:
            menu.addAction(name, lambda name=name: self.gains.apply_preset(name))
        self.preset.setMenu(menu)
        level = QHBoxLayout()
        level.addWidget(self.slider, 1)
        level.addWidget(self.spin)
        buttons = QGridLayout()
        for place, button in enumerate((self.mute, self.solo, self.preset, self.undo, self.redo, self.reset)):
            buttons.addWidget(button, place // 3, place % 3)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.fan)
        layout.addWidget(self.about)
        layout.addLayout(level)
        layout.addLayout(buttons)

    def _connect(self) -> None:
        self.fan.muted.connect(self.gains.toggle_mute)
        self.fan.soloed.connect(lambda key: self.gains.toggle_solo((key,)))
        self.fan.stepped.connect(self._on_step)
        self.fan.current_changed.connect(self._on_current)
        self.fan.menu_asked.connect(self.open_menu)
        self.slider.valueChanged.connect(lambda steps: self._set_level(steps * _STEP, "slider"))
        self.slider.sliderReleased.connect(self.gains.end_drag)
        self.spin.valueChanged.connect(lambda level: self._set_level(level, None))
        self.mute.clicked.connect(self._on_mute)
        self.solo.clicked.connect(lambda: self.gains.toggle_solo(self.fan.chosen))
        self.undo.clicked.connect(self.gains.undo)
        self.redo.clicked.connect(self.gains.redo)
        self.reset.clicked.connect(self.gains.reset)
        self.gains.changed.connect(self._on_gains)
        for keys, action in (
            (QKeySequence.StandardKey.Undo, self.gains.undo),
            (QKeySequence.StandardKey.Redo, self.gains.redo),
        ):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(action)

    def menu(self) -> QMenu:
        """Return the menu of the chosen bands."""
        keys = self.fan.chosen
        menu = QMenu(self)
        what = f"band {keys[0]}" if len(keys) == 1 else f"{len(keys)} bands"
        menu.addAction(f"Mute {what}", lambda: self.gains.set_gain(keys, 0.0))
        menu.addAction(f"Solo {what}", lambda: self.gains.toggle_solo(keys))
        menu.addAction("Double (+6 dB)", lambda: self.gains.set_gain(keys, 2.0))
        menu.addAction("As it is in the image", lambda: self.gains.set_gain(keys, 1.0))
        menu.addSeparator()
        menu.addAction("Add as layer: coefficients", lambda: self.layers_asked.emit("coefficients"))
        menu.addAction("Add as layer: what it gives to the image", lambda: self.layers_asked.emit("component"))
        return menu

    def open_menu(self, place: QPoint) -> None:
        """Open the menu of the chosen bands at `place` on the screen."""
        menu = self.menu()
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(place)

    def _tip(self, key: BandKey) -> str:
        if self._analysis is None:
            return ""
        measure = next((measure for measure in self._analysis.bands if measure.key == key), None)
        return "" if measure is None else tip_text(measure, self._analysis, gain_text(self.gains.gain(key)))

    def _set_level(self, level: float, drag: str | None) -> None:
        keys = self.fan.chosen
        if keys:
            self.gains.set_gain(keys, 0.0 if level <= _MUTED else factor(level), drag and (drag, keys))

    def _on_mute(self) -> None:
        keys = self.fan.chosen
        muted = all(self.gains.gain(key) == 0 for key in keys)
        self.gains.set_gain(keys, 1.0 if muted else 0.0)

    def _on_step(self, key: BandKey, step: int) -> None:
        level = max(decibels(self.gains.gain(key)), _MUTED) + step * _KEY_STEP
        level = min(max(level, MIN_DECIBELS), MAX_DECIBELS)
        self.gains.set_gain((key,), factor(round(level * 2) / 2))

    def _on_current(self, key: BandKey | None) -> None:
        analysis = self._analysis
        measures = () if analysis is None else analysis.bands
        measure = next((measure for measure in measures if measure.key == key), None)
        for widget in (self.slider, self.spin, self.mute, self.solo):
            widget.setEnabled(measure is not None)
        if analysis is None or measure is None:
            self.about.setText("")
        else:
            self.about.setText(short_text(measure, analysis.unit))
        self._on_gains()

    def _on_gains(self) -> None:
        gains = self.gains
        self.fan.show_gains(gains.gains)
        self.undo.setEnabled(gains.can_undo)
        self.redo.setEnabled(gains.can_redo)
        self.reset.setEnabled(bool(gains.gains))
        keys = self.fan.chosen
        if not keys:
            return
        level = max(decibels(gains.gain(keys[0])), _MUTED)
        for widget, value in ((self.slider, round(level / _STEP)), (self.spin, level)):
            blocked = widget.blockSignals(True)
            widget.setValue(value)
            widget.blockSignals(blocked)
        self.mute.setChecked(all(gains.gain(key) == 0 for key in keys))
        others = [band.key for band in gains.layout if band.key not in keys]
        self.solo.setChecked(bool(others) and all(gains.gain(key) == 0 for key in others))
