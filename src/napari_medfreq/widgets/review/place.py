"""The row of the form that says in which folder a new review is kept."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QLineEdit, QPushButton, QWidget


class FolderRow(QWidget):
    """Asks for a folder; while nothing is typed, a new one of its own for each review.

    Parameters
    ----------
    home : pathlib.Path
        Where new reviews are made.
    parent : QWidget, optional
        Qt's parent.
    """

    def __init__(self, home: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._home = home
        self.line = QLineEdit()
        self.line.setPlaceholderText(f"a new one in {home}")
        self.line.setToolTip("Where corrections and decisions are kept; every change is saved there within a second")
        browse = QPushButton("…")
        browse.setToolTip("Choose an empty folder")
        browse.clicked.connect(self._ask)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("Folder"))
        layout.addWidget(self.line, 1)
        layout.addWidget(browse)

    def path_for(self, name: str) -> Path:
        """Return the folder that was chosen, else a new one named after the image `name` and the day."""
        chosen = self.line.text().strip()
        if chosen:
            return Path(chosen).expanduser()
        stem = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name).strip("-")[:40]
        first = self._home / f"{date.today():%Y-%m-%d} {stem or 'review'}"
        candidates = [first, *(first.with_name(f"{first.name} {number}") for number in range(2, 1000))]
        return next((path for path in candidates if not path.exists()), first)

    def _ask(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Folder of the review", self.line.text() or str(self._home))
        if path:
            self.line.setText(path)
