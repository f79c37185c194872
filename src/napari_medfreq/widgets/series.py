"""Ask which of several DICOM series to open."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtWidgets import QWidget

    from napari_medfreq.io.dicom import SeriesInfo


def choose_series(series: Sequence[SeriesInfo]) -> list[SeriesInfo]:
    """Ask in a dialog which of `series` to open; without a visible window, all of them."""
    window = _visible_window()
    return list(series) if window is None else ask(series, window)


def ask(series: Sequence[SeriesInfo], parent: QWidget) -> list[SeriesInfo]:
    """Return the series that the user ticks; none if the dialog is cancelled."""
    from qtpy.QtCore import Qt
    from qtpy.QtWidgets import QDialog, QDialogButtonBox, QLabel, QListWidget, QListWidgetItem, QVBoxLayout

    dialog = QDialog(parent)
    dialog.setWindowTitle("Several series")
    choices = QListWidget()
    for entry in series:
        item = QListWidgetItem(describe(entry), choices)
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
        item.setCheckState(Qt.CheckState.Checked)
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel)
    buttons.accepted.connect(dialog.accept)
    buttons.rejected.connect(dialog.reject)
    layout = QVBoxLayout(dialog)
    layout.addWidget(QLabel(f"This folder holds {len(series)} series. Which do you want to open?"))
    layout.addWidget(choices)
    layout.addWidget(buttons)
    accepted = dialog.exec() == QDialog.DialogCode.Accepted
    ticked = [choices.item(row).checkState() == Qt.CheckState.Checked for row in range(choices.count())]
    dialog.deleteLater()
    return [entry for entry, wanted in zip(series, ticked, strict=True) if accepted and wanted]


def describe(series: SeriesInfo) -> str:
    """Return one line that tells `series` from its neighbours."""
    size = " x ".join(str(side) for side in reversed(series.shape))
    images = "1 image" if series.count == 1 else f"{series.count} images"
    return f"{series.modality} {series.description or 'without a name'} ({images}, {size})"


def _visible_window() -> QWidget | None:
    from qtpy.QtWidgets import QApplication

    if QApplication.instance() is None:
        return None
    return next((widget for widget in QApplication.topLevelWidgets() if widget.isWindow() and widget.isVisible()), None)
