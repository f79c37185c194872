"""The executor for scripts: the same promises, in this thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from napari_medfreq.errors import Cancelled, ModelError
from napari_medfreq.jobs.inline import InlineExecutor
from napari_medfreq.jobs.messages import Allocated, Event, Partial, Progress, SegmentRequest, WarmUp

if TYPE_CHECKING:
    from pathlib import Path

    from napari_medfreq.volume import Volume


def test_segments_and_tells_in_this_thread(tiny_model: Path, scan: Volume) -> None:
    events: list[Event] = []
    threads = set()

    def on_event(event: Event) -> None:
        events.append(event)
        threads.add(threading.current_thread())

    with InlineExecutor() as executor:
        job = executor.submit(SegmentRequest(scan, str(tiny_model)), on_event)
        assert job.done()
        result = job.result(0)
    assert result.labels.data.shape == scan.data.shape
    assert threads == {threading.current_thread()}
    assert {type(event) for event in events} >= {Allocated, Partial, Progress}
    arrays = {event.name: event.array for event in events if isinstance(event, Allocated)}
    assert arrays["labels"] is result.labels.data


def test_errors_are_kept_in_the_job(scan: Volume, tmp_path: Path) -> None:
    job = InlineExecutor().submit(SegmentRequest(scan, str(tmp_path / "missing")))
    with pytest.raises(ModelError):
        job.result(0)


def test_listener_can_cancel(tiny_model: Path, scan: Volume) -> None:
    def on_event(event: Event) -> None:
        raise Cancelled

    assert InlineExecutor().submit(SegmentRequest(scan, str(tiny_model)), on_event).cancelled()


def test_keyboard_interrupt_passes(tiny_model: Path, scan: Volume) -> None:
    def on_event(event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        InlineExecutor().submit(SegmentRequest(scan, str(tiny_model)), on_event)


def test_warm_up_loads_the_model(tiny_model: Path) -> None:
    assert InlineExecutor().warm_up().result(0) is None
    assert InlineExecutor().warm_up(str(tiny_model)).result(0) is None
    with pytest.raises(ModelError):
        InlineExecutor().submit(WarmUp("no such model")).result(0)
