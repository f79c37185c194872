"""Runs requests in this process and this thread: for scripts, the command line and tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_medfreq.errors import Cancelled
from napari_medfreq.jobs.messages import Allocated, Job, Note, OnEvent, Partial, Progress, Request, ResultT, WarmUp
from napari_medfreq.jobs.run import run

if TYPE_CHECKING:
    from types import TracebackType

    import numpy.typing as npt


class InlineExecutor:
    """An `Executor` whose `submit` returns when the request has ended.

    Events are delivered while `submit` runs. An `on_event` that raises `Cancelled` cancels the request;
    `KeyboardInterrupt` passes through `submit`. Errors, foreseen or not, are kept in the job as they were raised.
    """

    def submit(self, request: Request[ResultT], on_event: OnEvent | None = None) -> Job[ResultT]:
        """Run `request` and return its ended job."""
        job = Job(request, on_event)
        job.start()
        try:
            result: Any = run(request, _Sink(job))
            job.settle(result)
        except Cancelled:
            job.settle_cancelled()
        except Exception as error:  # noqa: BLE001 - a future keeps what the work has raised
            job.settle(error=error)
        return job

    def warm_up(self, model: str | None = None) -> Job[None]:
        """Load what the first request will need (and `model`, if one is named)."""
        return self.submit(WarmUp(model))

    def shutdown(self) -> None:
        """Do nothing: there is nothing to give back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()


class _Sink:
    """Hands what the engine reports to the job (a `napari_medfreq.engine.options.Sink`)."""

    def __init__(self, job: Job[Any]) -> None:
        self._job = job

    def progress(self, done: int, total: int, text: str) -> None:
        self._job.deliver(Progress(done, total, text))

    def note(self, text: str) -> None:
        self._job.deliver(Note(text))

    def check(self) -> None:
        if self._job.cancel_asked:
            raise Cancelled("The request was cancelled.")

    def allocate(self, name: str, shape: tuple[int, ...], dtype: str) -> npt.NDArray[np.generic]:
        array: npt.NDArray[np.generic] = np.zeros(shape, dtype)
        self._job.deliver(Allocated(name, array))
        return array

    def partial(self, name: str, region: tuple[tuple[int, int], ...]) -> None:
        self._job.deliver(Partial(name, region))
