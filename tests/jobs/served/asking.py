"""How the tests ask a child process, and how long they wait for an answer."""

from __future__ import annotations

import gc
import os
import threading
from concurrent.futures import CancelledError
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from served_requests import State

if TYPE_CHECKING:
    from napari_medfreq.jobs.host import ChildExecutor
    from napari_medfreq.jobs.messages import Job

SECONDS = 60.0


class Listener:
    """Keeps events; `wait` ends when one that fits has come."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self._news = threading.Condition()

    def __call__(self, event: Any) -> None:
        with self._news:
            self.events.append(event)
            self._news.notify_all()

    def wait(self, kind: type, seconds: float = 20.0) -> Any:
        def found() -> Any:
            return next((event for event in self.events if isinstance(event, kind)), None)

        with self._news:
            assert self._news.wait_for(found, seconds), f"no {kind.__name__} in {seconds} s"
            return found()


def child_pid(executor: ChildExecutor) -> int:
    return executor.submit(State()).result(SECONDS)["pid"]


def cancelled_within(job: Job[Any], seconds: float = 2.0) -> bool:
    """Cancel `job` and return whether it ended so in time."""
    begun = monotonic()
    assert job.cancel()
    with pytest.raises(CancelledError):
        job.result(seconds)
    return job.cancelled() and monotonic() - begun <= seconds


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))
