"""Work in threads whose outcome is wanted in this one, unless it was given up meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, Signal

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future


class Background(QObject):
    """One undertaking at a time, of any number of steps.

    Attributes
    ----------
    busy_changed : Signal(bool)
        An undertaking began, or it ended in whichever way.
    failed : Signal(object)
        A step raised this error; the undertaking has ended.
    late : Signal(object)
        The outcome of a step that nobody waits for any more.
    """

    busy_changed = Signal(bool)
    failed = Signal(object)
    late = Signal(object)
    _done = Signal(object, int, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._number = 0
        self._busy = False
        self._done.connect(self._on_done, Qt.ConnectionType.QueuedConnection)

    @property
    def busy(self) -> bool:
        """Whether an undertaking is under way."""
        return self._busy

    @property
    def number(self) -> int:
        """Of the latest undertaking."""
        return self._number

    def start(self) -> None:
        """Begin an undertaking."""
        self._number += 1
        self._busy = True
        self.busy_changed.emit(True)

    def end(self) -> None:
        """Say that it is finished, or give it up: what is still under way is no longer waited for."""
        self._number += 1
        if self._busy:
            self._busy = False
            self.busy_changed.emit(False)

    def after(self, future: Future[Any], then: Callable[[Any], None]) -> None:
        """Call ``then(result)`` in this thread when `future` is done, unless the undertaking has ended before."""
        number = self._number
        future.add_done_callback(lambda done: self._done.emit(then, number, done))

    def _on_done(self, then: Callable[[Any], None], number: int, done: Future[Any]) -> None:
        error = None if done.cancelled() else done.exception()
        if done.cancelled() or (number != self._number and error is not None):
            return
        if error is not None:
            self.end()
            self.failed.emit(error)
        elif number != self._number:
            self.late.emit(done.result())
        else:
            then(done.result())
