from __future__ import annotations

from concurrent.futures import CancelledError
from typing import Any

import pytest

from napari_medfreq.jobs.latest import Latest
from napari_medfreq.jobs.messages import Job, OnEvent, Request


class Ask(Request[int]):
    """Anything."""


class Patient:
    """An executor whose jobs start and end when the test says so."""

    def __init__(self) -> None:
        self.jobs: list[Job[Any]] = []

    def submit(self, request: Request[Any], on_event: OnEvent | None = None) -> Job[Any]:
        self.jobs.append(Job(request, on_event))
        return self.jobs[-1]


@pytest.fixture
def executor() -> Patient:
    return Patient()


def test_one_runs_one_waits_and_the_rest_is_dropped(executor: Patient) -> None:
    latest: Latest[int] = Latest(executor)  # type: ignore[arg-type]
    running = latest.submit(Ask())
    assert running.start()
    waiting = [latest.submit(Ask()) for _ in range(3)]
    assert [job.cancelled() for job in waiting] == [True, True, False]
    assert not running.cancel_asked
    running.settle(1)
    assert running.result() == 1
    assert waiting[2].start()
    waiting[2].settle(2)
    assert waiting[2].result() == 2
    with pytest.raises(CancelledError):
        waiting[0].result()


def test_an_answer_that_is_there_is_kept(executor: Patient) -> None:
    latest: Latest[int] = Latest(executor)  # type: ignore[arg-type]
    first = latest.submit(Ask())
    first.start()
    first.settle(1)
    latest.submit(Ask())
    assert first.result() == 1


def test_cancelling_reaches_what_runs(executor: Patient) -> None:
    latest: Latest[int] = Latest(executor)  # type: ignore[arg-type]
    latest.cancel()
    running = latest.submit(Ask())
    running.start()
    latest.cancel()
    assert running.cancel_asked
