"""Questions to the compute side of which only the newest matters; asking costs the viewer nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, Signal

from napari_medfreq.jobs.latest import Latest
from napari_medfreq.widgets.wording import explain

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future, ThreadPoolExecutor

    from napari_medfreq.jobs.messages import Event, Executor, Request


class Asker(QObject):
    """Prepares questions in a thread, has them answered in the child process, and brings back what is still wanted.

    Parameters
    ----------
    executor : Executor
        Who answers.
    worker : concurrent.futures.ThreadPoolExecutor
        One thread that prepares: reading a plane of a lazy layer may take long.
    parent : QObject, optional
        Qt's parent.

    Attributes
    ----------
    answered : Signal(object, object)
        What `ask` was told the question is about, and the answer.
    happened : Signal(object, Event)
        The same, and an event on the way.
    failed : Signal(str)
        What to tell the user.
    busy_changed : Signal(bool)
        Whether an answer is awaited.
    """

    answered = Signal(object, object)
    happened = Signal(object, object)
    failed = Signal(str)
    busy_changed = Signal(bool)
    # From other threads to this one.
    _came = Signal(int, object, object)
    _said = Signal(int, object, object)

    def __init__(self, executor: Executor, worker: ThreadPoolExecutor, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._latest: Latest[Any] = Latest(executor)
        self._worker = worker
        self._asked = 0
        self._oldest_wanted = 0
        self._shown = 0
        self._closed = False
        queued = Qt.ConnectionType.QueuedConnection
        self._came.connect(self._on_answer, queued)
        self._said.connect(self._on_event, queued)

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        return self._shown < self._asked

    def ask(self, about: object, prepare: Callable[[], Request[Any]]) -> None:
        """Have ``prepare()`` answered, in place of the question that waits, if there is one.

        Parameters
        ----------
        about : object
            Comes back with the answer.
        prepare : callable
            Gives the request; called in the worker's thread, and not at all if another question comes before that.
        """
        was_busy = self.busy
        self._asked += 1
        self._worker.submit(self._submit, self._asked, about, prepare)
        if not was_busy:
            self.busy_changed.emit(True)

    def forget(self) -> None:
        """Give up all questions: no answer to them arrives any more."""
        was_busy = self.busy
        self._oldest_wanted = self._asked + 1
        self._shown = self._asked
        if not self._closed:
            self._worker.submit(self._latest.cancel)
        if was_busy:
            self.busy_changed.emit(False)

    def close(self) -> None:
        """Give up all questions; no signal is sent afterwards."""
        self.blockSignals(True)
        self.forget()
        self._closed = True

    def _submit(self, number: int, about: object, prepare: Callable[[], Request[Any]]) -> None:
        if number < self._asked or number < self._oldest_wanted or self._closed:
            return
        try:
            request = prepare()
            job = self._latest.submit(request, lambda event: self._said.emit(number, about, event))
        except Exception as error:  # noqa: BLE001 - whatever it is, the user hears of it
            self._came.emit(number, about, error)
            return
        job.add_done_callback(lambda done: self._hand_over(number, about, done))

    def _hand_over(self, number: int, about: object, job: Future[Any]) -> None:
        if not job.cancelled() and not self._closed:
            self._came.emit(number, about, job)

    def _on_event(self, number: int, about: object, event: Event) -> None:
        if number >= self._oldest_wanted and number > self._shown:
            self.happened.emit(about, event)

    def _on_answer(self, number: int, about: object, answer: Future[Any] | Exception) -> None:
        if number < self._oldest_wanted or number <= self._shown:
            return
        self._shown = number
        error = answer if isinstance(answer, Exception) else answer.exception()
        # The answer to a question before the newest one is shown too: a drag is followed step by step.
        if error is None:
            self.answered.emit(about, answer.result())  # type: ignore[union-attr]
        elif number == self._asked:
            self.failed.emit(explain(error))
        if not self.busy:
            self.busy_changed.emit(False)
