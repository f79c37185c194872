"""The compute process: takes requests from the viewer's process, one at a time, until that process is gone.

Started by `napari_medfreq.jobs.host` as ``python -m napari_medfreq.jobs.child``; not meant to be imported.
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import signal
import threading
import traceback
from multiprocessing.connection import Client
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from napari_medfreq import errors
from napari_medfreq.jobs import wire
from napari_medfreq.jobs.arrays import SharedArrays
from napari_medfreq.jobs.messages import Allocated, Event, Note, Partial, Progress
from napari_medfreq.jobs.threads import let_threads_sleep

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Far behind the viewer: the screen stays fluent where all cores compute, and idle cores compute as fast as ever.
_NICENESS = 15


class _Sink:
    """Sends what the engine reports about one job to the viewer's process (a `napari_medfreq.engine.options.Sink`)."""

    def __init__(self, worker: _Worker, job: int, arrays: SharedArrays) -> None:
        self._worker = worker
        self._job = job
        self._arrays = arrays

    def progress(self, done: int, total: int, text: str) -> None:
        self._send(Progress(done, total, text))

    def note(self, text: str) -> None:
        self._send(Note(text))

    def check(self) -> None:
        if self._job in self._worker.cancelled:
            raise errors.Cancelled("The request was cancelled.")

    def allocate(self, name: str, shape: tuple[int, ...], dtype: str) -> npt.NDArray[np.generic]:
        array = self._arrays.allocate(shape, dtype)
        self._send(Allocated(name, array))
        return array

    def partial(self, name: str, region: tuple[tuple[int, int], ...]) -> None:
        self._send(Partial(name, region))

    def _send(self, event: Event) -> None:
        self._worker.send(wire.Happened(self._job, self._arrays.dumps(event)))


class _Worker:
    """Listens in one thread, so that a cancel gets through, and computes in the main one."""

    def __init__(self, connection: wire.AnyConnection, folder: Path, handlers: str) -> None:
        self._connection = connection
        self._folder = folder
        self._handlers = handlers
        self._requests: SimpleQueue[wire.Run] = SimpleQueue()
        self._prepared = False
        self.cancelled: set[int] = set()

    def listen(self) -> None:
        """Receive until the viewer's process is gone, then end this one, whatever it is computing."""
        try:
            while True:
                message = self._connection.recv()
                if isinstance(message, wire.Run):
                    self._requests.put(message)
                else:
                    self.cancelled.add(message.job)
        except (EOFError, OSError):
            pass
        finally:
            os._exit(0)

    def send(self, message: wire.FromChild) -> None:
        """Send `message`; called from the main thread only."""
        self._connection.send(message)

    def serve(self) -> None:
        """Answer requests for ever."""
        while True:
            message = self._requests.get()
            self.send(self._answer(message))
            self.cancelled.discard(message.job)

    def _answer(self, message: wire.Run) -> wire.Done | wire.Failed:
        # A new one for each job, so that nothing of the last one is held on to.
        arrays = SharedArrays(self._folder, f"{message.job}-result", "compute")
        sink = _Sink(self, message.job, arrays)
        try:
            request = arrays.loads(message.payload)
            result = self._run(request, sink)
            return wire.Done(message.job, arrays.dumps(result))
        except Exception as error:  # noqa: BLE001 - all that a library can raise must reach the user in words
            return _failure(message.job, error)

    def _run(self, request: object, sink: _Sink) -> Any:
        module = importlib.import_module(self._handlers)
        if not self._prepared and hasattr(module, "prepare_process"):
            module.prepare_process()
        self._prepared = True
        sink.check()
        return module.run(request, sink)


def _failure(job: int, error: Exception) -> wire.Failed:
    """Say what went wrong: our own errors as they are, others as a `ComputeError`."""
    details = "".join(traceback.format_exception(error))
    if isinstance(error, errors.MedfreqError):
        known = next(kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
        return wire.Failed(job, known.__name__, str(error), details)
    if isinstance(error, MemoryError):
        text = "The memory is full. Close other programs, or ask for less at once (a smaller batch or tile)."
    else:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        text = f"The computation stopped at an error that was not foreseen ({reason}). The log holds the details."
    return wire.Failed(job, errors.ComputeError.__name__, text, details)


def main() -> None:
    """Connect to the process that started this one and serve it."""
    address, key, folder, handlers = (
        os.environ.pop(name) for name in (wire.ADDRESS, wire.KEY, wire.FOLDER, wire.HANDLERS)
    )
    faulthandler.enable()
    let_threads_sleep()
    # Ctrl-C in a terminal is meant for the process in front, which then decides what becomes of this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    worker = _Worker(Client(address, authkey=bytes.fromhex(key)), Path(folder), handlers)
    threading.Thread(target=worker.listen, name="listen", daemon=True).start()
    worker.serve()


if __name__ == "__main__":
    main()
