"""Only the newest of many requests: for a slider that asks faster than can be answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from napari_medfreq.jobs.messages import ResultT

if TYPE_CHECKING:
    from napari_medfreq.jobs.messages import Executor, Job, OnEvent, Request


class Latest(Generic[ResultT]):
    """Submits requests of which each supersedes the one before, unless that runs already.

    At most one request runs and one waits, so an answer arrives at every step of a drag and the last one soon after its
    end. A superseded job ends as cancelled. Call it from one thread.

    Parameters
    ----------
    executor : Executor
        Who runs the requests; it may have other work as well.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._last: Job[Any] | None = None

    def submit(self, request: Request[ResultT], on_event: OnEvent | None = None) -> Job[ResultT]:
        """Submit `request` in place of the one that waits, if there is one."""
        if self._last is not None and not self._last.running():
            self._last.cancel()
        job = self._executor.submit(request, on_event)
        self._last = job
        return job

    def cancel(self) -> None:
        """Cancel the last request, even if it runs: its answer is no longer of use (another image was chosen)."""
        if self._last is not None:
            self._last.cancel()
            self._last = None
