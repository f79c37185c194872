"""What can be asked of the compute side, what it says while it works, and what it gives: plain data, no torch.

To add a request, add a dataclass (here, or in `frequency_requests` where it is about frequencies) and its handler in
`napari_medfreq.jobs.run`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeAlias, TypeVar

from napari_medfreq.engine.options import Segmentation, SegmentOptions

if TYPE_CHECKING:
    from types import TracebackType

    import numpy as np
    import numpy.typing as npt

    from napari_medfreq.volume import Volume

ResultT = TypeVar("ResultT")


class Request(Generic[ResultT]):
    """Base of everything that can be asked; the parameter is the type of the answer.

    A request is a frozen dataclass that can be pickled. Large arrays in it, at any depth, cross in memory-mapped files
    and arrive read-only; a `Volume`'s header stays where it is and is put back into the volumes of the result.
    """


@dataclass(frozen=True, eq=False)
class SegmentRequest(Request[Segmentation]):
    """Segment `volume` with `model`, the name or the path of a model folder."""

    volume: Volume
    model: str
    options: SegmentOptions = field(default_factory=SegmentOptions)


@dataclass(frozen=True)
class WarmUp(Request[None]):
    """Load what a click needs (and `model`, if one is named) ahead of the first click."""

    model: str | None = None


@dataclass(frozen=True)
class Progress:
    """`done` of `total` steps are finished."""

    done: int
    total: int
    text: str


@dataclass(frozen=True)
class Note:
    """Something the user should know, in words that can be shown as they are."""

    text: str


@dataclass(frozen=True, eq=False)
class Allocated:
    """The result `name` will appear in `array`, which holds zeros for now and is filled while the request runs.

    The array stays valid whatever becomes of the compute side. Who paints in it while the request runs may see the
    stroke replaced by what is computed for these voxels; once the job has ended nobody else writes to it.
    """

    name: str
    array: npt.NDArray[np.generic]


@dataclass(frozen=True)
class Partial:
    """`region` (start and stop for each axis) of the array `name` now holds its first, or better, values."""

    name: str
    region: tuple[tuple[int, int], ...]


Event: TypeAlias = Progress | Note | Allocated | Partial
OnEvent: TypeAlias = Callable[[Event], None]


class Job(Future[ResultT]):
    """The answer to one request: a future whose `cancel` works while the request runs.

    Once `cancel` has returned True, neither an event nor a result of this job arrives any more, and the job ends
    as cancelled within two seconds. So that this can be promised, `cancel` waits for an `on_event` that is being called
    in another thread: `on_event` must not wait in its turn for the thread that may call `cancel`.

    Parameters
    ----------
    request : Request
        What was asked.
    on_event : callable, optional
        Called with every `Event`, in order, in a thread of the executor.
    on_cancel : callable, optional
        Called by `cancel` (in its thread) where the request runs already; executors stop the work there.
    """

    def __init__(
        self,
        request: Request[ResultT],
        on_event: OnEvent | None = None,
        on_cancel: Callable[[Job[Any]], None] | None = None,
    ) -> None:
        super().__init__()
        self.request = request
        self._on_event = on_event
        self._on_cancel = on_cancel
        # Held while an event is delivered, so that none can arrive after `cancel` has returned. Reentrant, because
        # `on_event` may cancel its own job.
        self._gate = threading.RLock()
        self._started = False
        self._cancel_asked = False
        self._settled = False

    @property
    def cancel_asked(self) -> bool:
        """Whether `cancel` was called in time; the job then ends as cancelled, if it has not yet."""
        return self._cancel_asked

    def cancel(self) -> bool:
        """Ask that the request be given up.

        Returns
        -------
        bool
            False if the job has ended already with a result or an error, else True.
        """
        with self._gate:
            if self._settled:
                return self._cancel_asked
            self._cancel_asked = True
            started = self._started
        if not started:
            self.settle()
        elif self._on_cancel is not None:
            self._on_cancel(self)
        return True

    def running(self) -> bool:
        """Return whether the request is being worked on."""
        return self._started and not self.done()

    # What follows is for executors.

    def start(self) -> bool:
        """Mark the job as running; False if it was cancelled while it waited."""
        with self._gate:
            self._started = not self._settled and not self._cancel_asked
            return self._started

    def deliver(self, event: Event) -> None:
        """Hand `event` to the listener, unless the job was cancelled."""
        with self._gate:
            if self._on_event is not None and not self._cancel_asked and not self._settled:
                self._on_event(event)

    def settle(self, result: ResultT | None = None, error: BaseException | None = None) -> None:
        """End the job: as cancelled if that was asked for, else with `error` or `result`. Later calls do nothing."""
        with self._gate:
            if self._settled:
                return
            self._settled = True
        # Outside the gate: this calls the user's done-callbacks.
        if self._cancel_asked:
            super().cancel()
            self.set_running_or_notify_cancel()
        elif error is not None:
            self.set_exception(error)
        else:
            self.set_result(result)  # type: ignore[arg-type]  # None is the answer of a Request[None]

    def settle_cancelled(self) -> None:
        """End the job as cancelled, also where it was the work itself that gave up."""
        self._cancel_asked = True
        self.settle()


class Executor(Protocol):
    """Who runs requests: `host.ChildExecutor` in a process of its own, `inline.InlineExecutor` in this one."""

    def submit(self, request: Request[ResultT], on_event: OnEvent | None = None) -> Job[ResultT]:
        """Run `request` after those submitted before; `on_event` is called with every `Event`.

        An `on_event` that raises `Cancelled` cancels the request.
        """

    def warm_up(self, model: str | None = None) -> Job[None]:
        """Load what the first request will need; costs nothing if it is loaded already."""

    def shutdown(self) -> None:
        """Cancel what runs or waits and give everything back. Nothing can be submitted afterwards."""

    def __enter__(self) -> Self:
        """Return the executor."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Shut the executor down."""
