"""What every dock has in common: it tidies up when napari lets go of it."""

from __future__ import annotations

from contextlib import ExitStack

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QWidget


class DockedWidget(QWidget):
    """A widget of a dock that closes down with its dock, its window or by itself, once.

    Attributes
    ----------
    cleanup : contextlib.ExitStack
        What is to be undone, in reverse order; nothing in it may need the widget's own Qt parts.
    """

    _docked = False

    def __init__(self) -> None:
        super().__init__()
        self.cleanup = ExitStack()
        self.destroyed.connect(self.cleanup.close)

    def close_down(self) -> None:
        """Give up what runs, end processes and threads, and leave the viewer alone; can be called again."""
        self.cleanup.close()

    def event(self, event: QEvent) -> bool:
        """Close down when napari takes the widget out of its dock, which it does not otherwise say."""
        handled = bool(super().event(event))
        if event.type() == QEvent.Type.ParentChange and self.parent() is None and self._docked:
            self.close_down()
            self.deleteLater()
        elif event.type() == QEvent.Type.ParentChange:
            self._docked = self.parent() is not None
        return handled
