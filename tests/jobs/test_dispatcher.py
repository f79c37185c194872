"""One request at a time, each of which can be given up at any moment."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, wait
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import psutil
import pytest
from served_requests import Echo, Fail, Hang, State, Steps

from napari_medfreq import errors
from napari_medfreq.jobs.messages import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from asking import Listener

    from napari_medfreq.jobs.host import ChildExecutor
    from napari_medfreq.jobs.messages import Event


from asking import SECONDS, cancelled_within, child_pid


def test_jobs_run_one_after_the_other(executor: ChildExecutor) -> None:
    spans = []

    def watch(name: str) -> Callable[[Event], None]:
        return lambda event: spans.append(name)

    jobs = [executor.submit(Steps(10), watch(name)) for name in "abc"]
    assert [job.result(SECONDS) for job in jobs] == [10, 10, 10]
    assert "".join(spans) == "a" * 10 + "b" * 10 + "c" * 10


def test_cancel_while_the_child_starts(executor: ChildExecutor, listener: Listener) -> None:
    job = executor.submit(Steps(), listener)
    assert cancelled_within(job, 0.5)
    assert executor.submit(Echo(1)).result(SECONDS) == 1
    assert listener.events == []


def test_cancel_while_queued(executor: ChildExecutor, listener: Listener) -> None:
    running = executor.submit(Steps(), listener)
    listener.wait(Progress)
    queued = executor.submit(Echo(1))
    assert cancelled_within(queued, 0.5)
    assert running.running()
    assert cancelled_within(running)


def test_cancel_of_an_obedient_request_keeps_the_child(executor: ChildExecutor, listener: Listener) -> None:
    pid = child_pid(executor)
    job = executor.submit(Steps(), listener)
    listener.wait(Progress)
    assert job.running()
    assert job.cancel()
    count = len(listener.events)
    assert wait([job], 1.0).done
    assert job.cancelled()
    assert child_pid(executor) == pid
    assert len(listener.events) == count


@pytest.mark.parametrize("flood", [False, True])
def test_cancel_of_a_hung_request_replaces_the_child(executor: ChildExecutor, listener: Listener, flood: bool) -> None:
    pid = child_pid(executor)
    job = executor.submit(Hang(flood), listener)
    listener.wait(Progress)
    assert cancelled_within(job)
    count = len(listener.events)
    after = executor.submit(State()).result(SECONDS)
    assert after["pid"] != pid
    assert not psutil.pid_exists(pid)
    assert len(listener.events) == count


def test_cancel_while_a_large_array_is_copied(executor: ChildExecutor) -> None:
    # Without strides this is a billion numbers to be copied, and takes many seconds.
    huge = np.broadcast_to(np.float32(1), (1000, 1000, 1000))
    assert child_pid(executor)
    job = executor.submit(Echo(huge))
    while not job.running():
        assert not job.done()
    assert cancelled_within(job)
    assert executor.submit(Echo(1)).result(SECONDS) == 1


def test_cancel_from_within_the_listener(executor: ChildExecutor) -> None:
    seen = []
    known = threading.Event()

    def on_event(event: Event) -> None:
        seen.append(event.done)
        known.wait(SECONDS)
        job.cancel()

    job = executor.submit(Steps(), on_event)
    known.set()
    with pytest.raises(CancelledError):
        job.result(SECONDS)
    assert seen == [1]


def test_listener_that_raises_cancelled_cancels(executor: ChildExecutor) -> None:
    seen = []

    def on_event(event: Event) -> None:
        seen.append(event)
        raise errors.Cancelled

    with pytest.raises(CancelledError):
        executor.submit(Steps(), on_event).result(SECONDS)
    assert len(seen) == 1


def test_cancel_after_the_end_changes_nothing(executor: ChildExecutor) -> None:
    job = executor.submit(Echo(3))
    assert job.result(SECONDS) == 3
    assert not job.cancel()
    assert job.result() == 3


def test_request_that_gives_up_by_itself_counts_as_cancelled(executor: ChildExecutor) -> None:
    job = executor.submit(Fail("cancelled"))
    with pytest.raises(CancelledError):
        job.result(SECONDS)


def test_request_that_cannot_be_sent_is_an_error(executor: ChildExecutor) -> None:
    error = executor.submit(Echo(lambda: None)).exception(SECONDS)
    assert isinstance(error, errors.ComputeError)
    assert executor.submit(Echo(1)).result(SECONDS) == 1


def test_listener_that_fails_does_not_stop_the_job(executor: ChildExecutor, caplog: pytest.LogCaptureFixture) -> None:
    def on_event(event: Event) -> None:
        raise ValueError("a widget is gone")

    assert executor.submit(Steps(3), on_event).result(SECONDS) == 3
    assert "a widget is gone" in caplog.text


def test_full_disk_is_said(executor: ChildExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_medfreq.jobs.arrays._chunks", full)
    error = executor.submit(Echo(np.zeros(100_000))).exception(SECONDS)
    assert isinstance(error, errors.ComputeError)
    assert "No space left" in str(error)
    assert "TMPDIR" in str(error)
