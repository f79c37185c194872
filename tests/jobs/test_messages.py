"""The promises of a job, whoever runs it."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, as_completed
from typing import Any

import pytest

from napari_medfreq.jobs.messages import Event, Job, Note, Progress, WarmUp


def test_waiting_job_is_cancelled_at_once() -> None:
    job = Job(WarmUp())
    assert job.cancel()
    assert job.cancelled()
    assert job.done()
    assert not job.start()
    with pytest.raises(CancelledError):
        job.result(0)


def test_running_job_is_cancelled_when_its_executor_says_so() -> None:
    asked: list[Job[Any]] = []
    job = Job(WarmUp(), on_cancel=asked.append)
    assert job.start()
    assert job.running()
    assert job.cancel()
    assert asked == [job]
    assert not job.done()
    job.settle(error=ValueError("came too late"))
    assert job.cancelled()
    assert not job.running()
    assert list(as_completed([job], 0)) == [job]


def test_nothing_arrives_after_cancel() -> None:
    events: list[Event] = []
    job = Job(WarmUp(), events.append)
    job.start()
    job.deliver(Note("before"))
    job.cancel()
    job.deliver(Note("after"))
    assert events == [Note("before")]


def test_cancel_waits_for_the_event_that_is_being_delivered() -> None:
    inside, go_on, order = threading.Event(), threading.Event(), []

    def on_event(event: Event) -> None:
        inside.set()
        go_on.wait(10)
        order.append("event")

    def cancel() -> None:
        job.cancel()
        order.append("cancelled")

    job = Job(WarmUp(), on_event)
    job.start()
    threads = [threading.Thread(target=job.deliver, args=(Progress(1, 2, ""),)), threading.Thread(target=cancel)]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    threads[1].join(0.05)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert order == ["event", "cancelled"]


def test_only_the_first_end_counts() -> None:
    job: Job[None] = Job(WarmUp())
    job.start()
    job.settle(None)
    job.settle(error=ValueError("late"))
    assert job.result(0) is None
    assert not job.cancel()
