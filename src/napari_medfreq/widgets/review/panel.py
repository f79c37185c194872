"""The review under way, as the user sees it: how much is left, the steps to take, and the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_medfreq.widgets.review.keys import TITLES
from napari_medfreq.widgets.review.table import QueueTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_medfreq.widgets.review.rows import Progress

_TIPS = {
    "previous": "Go to the region above in the table",
    "next": "Go to the next open region; the state of this one stays as it is",
    "accept": "The mask is right here: accept it and go on. A region that you painted on is corrected by itself.",
    "flag": "Put it aside for somebody else to decide and go on; again takes that back",
}


class QueuePanel(QWidget):
    """Shows a review.

    Attributes
    ----------
    asked : Signal(str)
        An action of `napari_medfreq.widgets.review.habits.DEFAULT_KEYS`.
    """

    asked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bar = QProgressBar()
        self.left = QLabel()
        self.dice = QLabel()
        self.table = QueueTable()
        self.buttons = {action: QPushButton(TITLES[action]) for action in _TIPS}
        for action, button in self.buttons.items():
            button.clicked.connect(lambda _checked=False, action=action: self.asked.emit(action))
        self.dice.setToolTip(
            "What the probabilities let expect of the masks, averaged over the images: each region that was corrected "
            "or accepted counts as right. It is an estimate, as good as the model is calibrated; no comparison with a "
            "true mask."
        )
        self.bar.setFormat("%v of %m done")
        for label in (self.left, self.dice):
            label.setWordWrap(True)
        steps = QHBoxLayout()
        for button in self.buttons.values():
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            steps.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.bar, self.left, self.dice):
            layout.addWidget(widget)
        layout.addLayout(steps)
        layout.addWidget(self.table, 1)

    def show_progress(self, progress: Progress) -> None:
        """Show how much is left and what to expect of the masks."""
        self.bar.setMaximum(max(progress.total, 1))
        self.bar.setValue(progress.total - progress.left)
        size = f" ({progress.size_left})" if progress.size_left and progress.left else ""
        self.left.setText(f"{progress.left:,} of {progress.total:,} regions left to look at{size}")
        known = progress.now is not None and progress.before is not None
        if known:
            self.dice.setText(f"Expected Dice {progress.now:.3f}, at first {progress.before:.3f} (estimate)")
        self.dice.setVisible(known)

    def show_keys(self, keys: Mapping[str, str]) -> None:
        """Name the keys in the tips of the buttons."""
        for action, button in self.buttons.items():
            key = keys.get(action)
            button.setToolTip(f"{_TIPS[action]} ({key})" if key else _TIPS[action])
