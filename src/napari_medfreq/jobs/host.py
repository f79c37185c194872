"""Runs requests in one persistent child process, so that nothing they do can stop or harm the viewer."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Self

from napari_medfreq.jobs.dispatcher import Dispatcher
from napari_medfreq.jobs.messages import Job, OnEvent, Request, ResultT, WarmUp

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


class ChildExecutor:
    """An `Executor` that computes in a process of its own.

    The child starts with the first request (or `warm_up`), answers one request at a time, and is started afresh after a
    crash or after a request that would not be cancelled. It ends with this object or with this process.
    Everything is done in threads of the executor: `submit` and `cancel` return at once, also in a GUI thread.

    Parameters
    ----------
    folder : pathlib.Path, optional
        Where to make the folder for shared arrays; by default the system's folder for temporary files.
    handlers : str
        Module whose ``run(request, sink)`` answers requests in the child.
    """

    def __init__(self, folder: Path | None = None, handlers: str = "napari_medfreq.jobs.run") -> None:
        # The dispatcher does not know this object, which can therefore be collected; the child then ends.
        self._dispatcher = Dispatcher(folder, handlers)
        self._finalizer = weakref.finalize(self, self._dispatcher.stop)

    def submit(self, request: Request[ResultT], on_event: OnEvent | None = None) -> Job[ResultT]:
        """Run `request` after those submitted before.

        Parameters
        ----------
        request : Request
            What to compute. Arrays in it must not change until the job runs or has ended.
        on_event : callable, optional
            Called with every event in a thread of the executor. It must return quickly and not wait for a thread that
            calls `Job.cancel`.

        Returns
        -------
        Job
            Ends with the result, with a `MedfreqError` that the child has raised, or with a `ComputeError` if the child
            broke down.

        Raises
        ------
        RuntimeError
            If the executor was shut down.
        """
        if not self._finalizer.alive:
            raise RuntimeError("This executor was shut down; make a new one.")
        job = Job(request, on_event, self._dispatcher.cancel)
        self._dispatcher.submit(job)
        return job

    def warm_up(self, model: str | None = None) -> Job[None]:
        """Start the child and load what the first request will need (and `model`, if one is named)."""
        return self.submit(WarmUp(model))

    def shutdown(self) -> None:
        """Cancel what runs or waits, end the child and remove the shared files. Arrays received before stay valid."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
