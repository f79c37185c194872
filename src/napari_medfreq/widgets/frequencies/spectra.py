"""The Spectra tab: the radial power spectra of several layers in one plot."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QPointF, Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from napari_medfreq.jobs.frequency_requests import SpectrumRequest
from napari_medfreq.widgets.frequencies.planes import read_plane, shown_plane
from napari_medfreq.widgets.frequencies.products import spectra_csv
from napari_medfreq.widgets.layers import is_input
from napari_medfreq.widgets.volumes import volume_of
from napari_medfreq.widgets.wording import with_suffix

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_medfreq.engine.frequencies.results import Spectrum
    from napari_medfreq.widgets.frequencies.asking import Asker
    from napari_medfreq.widgets.frequencies.controller import FrequencyController
    from napari_medfreq.widgets.frequencies.making import ProductMaker

# Okabe and Ito's colours, which also those tell apart who do not see red or green.
_COLOURS = ("#56b4e9", "#e69f00", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#0072b2", "#ffffff")
_REST_MS = 60
_NOTHING = 1e-13


class SpectraPage(QWidget):
    """Plots the spectra of the layers that are ticked.

    Parameters
    ----------
    controller : FrequencyController
        Whose plane and changed layer are followed.
    maker : ProductMaker
        Writes tables.
    viewer : napari.viewer.Viewer
        Whose layers can be ticked.
    asker : Asker
        Asks for the spectra.
    parent : QWidget, optional
        Qt's parent.
    """

    def __init__(
        self,
        controller: FrequencyController,
        maker: ProductMaker,
        viewer: Viewer,
        asker: Asker,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._controller = controller
        self._maker = maker
        self._viewer = viewer
        self._asker = asker
        self.spectra: tuple[Spectrum, ...] = ()
        self.layers = QListWidget()
        self.whole = QCheckBox("Mean of all planes of volumes")
        self.message = QLabel()
        self.save_button = QPushButton("Save table…")
        self.plot: Any = None
        # Signals come in swarms when a slider is dragged; it lives and dies with this page.
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._lay_out()
        self._rest.timeout.connect(self.ask)
        self.layers.itemChanged.connect(lambda _item: self._rest.start())
        self.whole.toggled.connect(lambda _on: self._rest.start())
        self.save_button.clicked.connect(self._on_save)
        asker.answered.connect(lambda _about, spectra: self.show_spectra(spectra))
        asker.failed.connect(self._say)
        controller.looked.connect(lambda _shown: self.refresh())
        controller.changed.connect(self.refresh)
        self.reset_choices()

    def reset_choices(self, event: object = None) -> None:
        """List the layers that the viewer now has; what was ticked stays ticked."""
        ticked = self.ticked()
        known = [self._layer(row) for row in range(self.layers.count())]
        blocked = self.layers.blockSignals(True)
        self.layers.clear()
        for layer in reversed(self._viewer.layers):
            if not is_input(layer):
                continue
            item = QListWidgetItem(layer.name)
            item.setFlags(Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            item.setData(Qt.ItemDataRole.UserRole, layer)
            # What is new is what the user has just made.
            on = layer in ticked or (layer not in known and len(ticked) < len(_COLOURS))
            item.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
            self.layers.addItem(item)
        self.layers.blockSignals(blocked)
        self.refresh()

    def ticked(self) -> list[Layer]:
        """Return the layers that are ticked."""
        rows = range(self.layers.count())
        return [self._layer(row) for row in rows if self.layers.item(row).checkState() == Qt.CheckState.Checked]

    def refresh(self) -> None:
        """Ask anew soon, if the page is on screen."""
        if self.isVisible():
            self._rest.start()

    def ask(self) -> None:
        """Ask for the spectra of the layers that are ticked."""
        layers, view = self.ticked(), self._controller.view
        if not layers:
            self.show_spectra(())
            return
        choice = view.plane if view is not None else "shown"
        planes = [shown_plane(layer, self._viewer.dims, choice) for layer in layers]
        plane = planes[0].plane
        if self.whole.isChecked():
            self._asker.ask(None, lambda: SpectrumRequest(tuple(volume_of(layer) for layer in layers), plane))
        else:
            self._asker.ask(None, lambda: SpectrumRequest(tuple(read_plane(shown) for shown in planes), plane))

    def show_spectra(self, spectra: tuple[Spectrum, ...]) -> None:
        """Plot `spectra`."""
        self.spectra = spectra
        self.save_button.setEnabled(bool(spectra))
        self._say("Tick a layer to see its spectrum." if not spectra else "")
        plot = self._plot()
        plot.clear()
        units = sorted({spectrum.unit for spectrum in spectra})
        plot.setLabel("bottom", f"frequency ({' or '.join(units)})" if units else "frequency")
        plot.setLabel("left", "power (squared intensity)")
        for number, spectrum in enumerate(spectra):
            # What is left below is rounding, and would squeeze the rest of the plot.
            seen = np.isfinite(spectrum.power) & (spectrum.power > _NOTHING * np.nanmax(spectrum.power))
            if not seen.any():
                self._say(f"{spectrum.name} is constant: it has no spectrum to show.")
                continue
            colour = _COLOURS[number % len(_COLOURS)]
            plot.plot(
                spectrum.frequency[seen], spectrum.power[seen], pen={"color": colour, "width": 2}, name=spectrum.name
            )
        if len(units) > 1:
            self._say("Some layers have a pixel size and some do not: their frequencies cannot be compared.")

    def showEvent(self, event: Any) -> None:
        """Plot what is ticked."""
        super().showEvent(event)
        self._rest.start()

    def wavelength_at(self, frequency: float) -> str:
        """Return what is said where the mouse is over the plot."""
        if not self.spectra or not isfinite(frequency) or frequency <= 0:
            return ""
        unit = self.spectra[0].unit
        length = unit.rpartition("/")[2]
        return f"{frequency:.3g} {unit}, wavelength {1 / frequency:.3g} {length}"

    def _lay_out(self) -> None:
        self.layers.setMaximumHeight(96)
        self.layers.setAccessibleName("Layers whose spectra are plotted")
        self.whole.setToolTip("Else only the plane on screen. Takes a while for large volumes.")
        self.save_button.setToolTip("Save frequencies and powers as a table (.csv)")
        self.save_button.setEnabled(False)
        self.message.setWordWrap(True)
        line = QHBoxLayout()
        line.addWidget(self.whole)
        line.addStretch(1)
        line.addWidget(self.save_button)
        self._place = QVBoxLayout()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.layers)
        layout.addLayout(line)
        layout.addLayout(self._place, 1)
        layout.addWidget(self.message)

    def _plot(self) -> Any:
        """Return the plot, which is made when it is first needed: its library takes a while to load."""
        if self.plot is None:
            import pyqtgraph

            axis = pyqtgraph.AxisItem("bottom")
            # Labels at 1, 2 and 5 of each decade; between them they would run into each other.
            axis.logTickStrings = lambda values, scale, spacing: [_round_number(10.0**value) for value in values]
            self.plot = pyqtgraph.PlotWidget(background=None, axisItems={"bottom": axis})
            self.plot.setLogMode(x=True, y=True)
            self.plot.showGrid(x=True, y=True, alpha=0.25)
            self.plot.addLegend(offset=(8, -8), labelTextSize="8pt")
            self.plot.setMinimumHeight(240)
            self.plot.getPlotItem().setMenuEnabled(False)
            for axis in ("left", "bottom"):
                self.plot.getAxis(axis).enableAutoSIPrefix(False)
            self.plot.scene().sigMouseMoved.connect(self._on_mouse)
            self._place.addWidget(self.plot)
        return self.plot

    def _on_mouse(self, place: QPointF) -> None:
        item = self.plot.getPlotItem()
        if item.sceneBoundingRect().contains(place):
            frequency = 10 ** item.vb.mapSceneToView(place).x()
            QToolTip.showText(self.plot.mapToGlobal(self.plot.mapFromScene(place)), self.wavelength_at(frequency))

    def _on_save(self) -> None:
        path, chosen = QFileDialog.getSaveFileName(self, "Save spectra", "spectra.csv", "Table (*.csv)")
        if path:
            self._maker.save_text(with_suffix(Path(path), chosen), spectra_csv(self.spectra))

    def _layer(self, row: int) -> Layer:
        return self.layers.item(row).data(Qt.ItemDataRole.UserRole)

    def _say(self, text: str) -> None:
        self.message.setText(text)
        self.message.setVisible(bool(text))


def _round_number(value: float) -> str:
    """Return `value` if it is 1, 2 or 5 times a power of ten, else nothing."""
    text = f"{value:.1e}"
    return f"{value:.3g}" if text.partition("e")[0] in ("1.0", "2.0", "5.0") else ""
