"""The thread behind `ChildExecutor`: gives the child one request at a time and sees to what becomes of it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from contextlib import suppress
from functools import partial
from itertools import count
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any

from napari_medfreq import errors
from napari_medfreq.jobs import wire
from napari_medfreq.jobs.arrays import SharedArrays
from napari_medfreq.jobs.messages import Job, WarmUp
from napari_medfreq.jobs.process import ChildProcess
from napari_medfreq.jobs.scratch import ScratchFolder, remove_leftovers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_log = logging.getLogger(__name__)

# A child that has not given up a cancelled request after this long is replaced; the promise is two seconds.
_GRACE_SECONDS = 1.5
_STOP_SECONDS = 2.0


class Dispatcher:
    """The thread that owns the child and all state; everybody else puts commands into its mailbox."""

    def __init__(self, folder: Path | None, handlers: str) -> None:
        self._parent_folder = folder
        self._handlers = handlers
        self._mailbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name="medfreq-jobs", daemon=True)
        self._thread_lock = threading.Lock()
        self._numbers = count(1)
        self._waiting: deque[Job[Any]] = deque()
        self._current: _Running | None = None
        self._child: ChildProcess | None = None
        self._scratch: ScratchFolder | None = None
        self._stopped = False

    # Called in other threads.

    def submit(self, job: Job[Any]) -> None:
        self._mailbox.put(partial(self._submit, job))
        with self._thread_lock:
            if self._thread.ident is None:
                self._thread.start()

    def cancel(self, job: Job[Any]) -> None:
        self._mailbox.put(partial(self._cancel, job))

    def stop(self) -> None:
        self._mailbox.put(self._stop)
        with self._thread_lock:
            started = self._thread.ident is not None
        # An `on_event` may shut the executor down, and a thread cannot wait for itself.
        if started and threading.current_thread() is not self._thread:
            self._thread.join(2 * _STOP_SECONDS)

    def connected(self, child: ChildProcess) -> None:
        self._mailbox.put(partial(self._connected, child))

    def received(self, child: ChildProcess, message: wire.FromChild) -> None:
        self._mailbox.put(partial(self._received, child, message))

    def gone(self, child: ChildProcess) -> None:
        self._mailbox.put(partial(self._gone, child))

    # Called in the dispatcher's own thread.

    def _loop(self) -> None:
        while not self._stopped:
            try:
                self._next_command()()
            except Exception as error:  # noqa: BLE001 - this thread must live on
                _log.exception("A request could not be handled")
                self._give_up(error)
        # What came in beside the order to stop.
        with suppress(Empty):
            while True:
                self._mailbox.get_nowait()()

    def _next_command(self) -> Callable[[], None]:
        """Return what to do next; the deadline of a cancelled request comes before all that its child still says."""
        if self._current is None or self._current.deadline is None:
            return self._mailbox.get()
        left = self._current.deadline - monotonic()
        try:
            return self._mailbox.get(timeout=left) if left > 0 else self._replace_child
        except Empty:
            return self._replace_child

    def _submit(self, job: Job[Any]) -> None:
        if self._stopped:
            job.settle_cancelled()
            return
        self._waiting.append(job)
        self._advance()

    def _advance(self) -> None:
        """Give the child the next request, if it is free; start it if there is none."""
        while self._waiting and self._current is None:
            if self._child is None:
                self._start_child()
            elif not self._child.ready:
                return
            else:
                self._send(self._child, self._waiting.popleft())

    def _start_child(self) -> None:
        try:
            if self._scratch is None:
                # Deleting gigabytes takes a while; nobody should wait for it.
                threading.Thread(target=remove_leftovers, args=(self._parent_folder,), daemon=True).start()
                self._scratch = ScratchFolder(self._parent_folder)
            self._child = ChildProcess(self._scratch.path, self._handlers, self)
        except OSError as error:
            self._fail_next(errors.ComputeError(f"The compute process could not be started ({error})."))

    def _send(self, child: ChildProcess, job: Job[Any]) -> None:
        if self._scratch is None or not job.start():
            return
        number = next(self._numbers)
        running = _Running(job, number, SharedArrays(self._scratch.path, f"{number}-request", "viewer"))
        self._current = running
        try:
            payload = running.arrays.dumps(job.request, running.check)
        except errors.MedfreqError as error:
            self._finish(error=error)
        except Exception as error:  # noqa: BLE001 - pickle raises what it likes
            self._finish(error=_explained(f"The request could not be sent to the compute process ({error}).", error))
        else:
            child.send(wire.Run(number, payload))

    def _finish(self, result: object = None, error: BaseException | None = None) -> None:
        """End the current job and let the next one run."""
        if self._current is None:
            return
        job, self._current = self._current.job, None
        if self._scratch is not None:
            self._scratch.clear()
        if isinstance(error, errors.Cancelled):
            job.settle_cancelled()
        else:
            job.settle(result, error)
        self._advance()

    def _fail_next(self, error: errors.ComputeError) -> None:
        while self._waiting:
            job = self._waiting.popleft()
            if job.start():
                job.settle(error=error)
                return

    def _connected(self, child: ChildProcess) -> None:
        child.ready = True
        self._advance()

    def _received(self, child: ChildProcess, message: wire.FromChild) -> None:
        running = self._current
        if running is None or child is not self._child or message.job != running.number:
            return
        if isinstance(message, wire.Done):
            self._finish(running.arrays.loads(message.payload))
        elif isinstance(message, wire.Failed):
            self._finish(error=_rebuilt(message))
        else:
            event = running.arrays.loads(message.payload)
            try:
                running.job.deliver(event)
            except errors.Cancelled:
                running.job.cancel()
            except Exception:  # noqa: BLE001 - as concurrent.futures does with callbacks
                _log.exception("The listener of a request failed at %r", event)

    def _gone(self, child: ChildProcess) -> None:
        words = child.last_words()
        child.close()
        if child is not self._child:
            return
        self._child = None
        if self._current is None and child.ready:
            return  # Died at rest: the next request starts another one.
        error = errors.ComputeError(child.describe_end())
        if words:
            error.add_note(words)
        _log.warning("%s\n%s", error, words)
        if self._current is None:
            self._fail_next(error)
            self._advance()
        else:
            self._finish(error=error)

    def _cancel(self, job: Job[Any]) -> None:
        running = self._current
        if running is not None and running.job is job and running.deadline is None and self._child is not None:
            self._child.send(wire.Cancel(running.number))
            running.deadline = monotonic() + _GRACE_SECONDS

    def _replace_child(self) -> None:
        """Kill a child that does not obey, and have another one ready for the next click."""
        self._drop_child()
        if not self._waiting:
            self._waiting.append(Job(WarmUp()))
        self._finish()

    def _give_up(self, error: Exception) -> None:
        """After an error of our own: nothing is known about the child any more."""
        self._drop_child()
        self._finish(error=_explained(f"The answer of the compute process could not be understood ({error}).", error))

    def _drop_child(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _stop(self) -> None:
        self._stopped = True
        child = self._child
        self._drop_child()
        waiting = [*self._waiting, *([self._current.job] if self._current is not None else [])]
        self._waiting.clear()
        self._current = None
        for job in waiting:
            job.settle_cancelled()
        if child is not None:
            child.wait(_STOP_SECONDS)
            child.close()
        if self._scratch is not None:
            self._scratch.remove()


class _Running:
    """The job that the child works on."""

    def __init__(self, job: Job[Any], number: int, arrays: SharedArrays) -> None:
        self.job = job
        self.number = number
        self.arrays = arrays
        self.deadline: float | None = None

    def check(self) -> None:
        """Raise `Cancelled` if the job was cancelled."""
        if self.job.cancel_asked:
            raise errors.Cancelled("The request was cancelled.")


def _rebuilt(message: wire.Failed) -> errors.MedfreqError:
    """Return the error that the child has raised, with its traceback as a note for the log."""
    error: errors.MedfreqError = getattr(errors, message.error)(message.message)
    error.add_note(message.details)
    return error


def _explained(text: str, cause: Exception) -> errors.ComputeError:
    error = errors.ComputeError(text)
    error.__cause__ = cause
    return error
