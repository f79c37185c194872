"""The foot of the dock: what is being prepared, what the user should read, and whether all is saved."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_medfreq.widgets.wording import ERROR_STYLE

if TYPE_CHECKING:
    from napari_medfreq.jobs.messages import Progress


class StatusFoot(QWidget):
    """Shows progress, messages and the state of saving.

    Attributes
    ----------
    cancelled : Signal
        The user gives up what is being prepared.
    """

    cancelled = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bar = QProgressBar()
        self.cancel_button = QPushButton("Cancel")
        self.message = QLabel()
        self.saved = QLabel()
        self.message.setWordWrap(True)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.saved.setWordWrap(True)
        self.cancel_button.clicked.connect(self.cancelled)
        work = QHBoxLayout()
        work.addWidget(self.bar, 1)
        work.addWidget(self.cancel_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(9, 0, 9, 6)
        layout.addLayout(work)
        layout.addWidget(self.message)
        layout.addWidget(self.saved)
        self.show_busy(False)
        self.say("")
        self.show_saved("")

    def say(self, text: str, error: bool = False) -> None:
        """Show `text`."""
        self.message.setText(text)
        self.message.setStyleSheet(ERROR_STYLE if error else "")
        self.message.setVisible(bool(text))

    def show_busy(self, busy: bool) -> None:
        """Show or hide the bar."""
        self.bar.setVisible(busy)
        self.cancel_button.setVisible(busy)

    def show_progress(self, progress: Progress) -> None:
        """Show how far it is."""
        self.bar.setMaximum(max(progress.total, 1))
        self.bar.setValue(progress.done)
        self.bar.setFormat(f"{progress.text}…")

    def show_saved(self, text: str, error: bool = False) -> None:
        """Say whether everything is saved."""
        self.saved.setText(text)
        self.saved.setStyleSheet(ERROR_STYLE if error else "color: gray;")
        self.saved.setVisible(bool(text))

    def show_all_saved(self) -> None:
        """Say that everything is saved, and when."""
        self.show_saved(f"All changes saved, {datetime.now():%H:%M:%S}")
