"""A child that crashes, is killed or does not even start costs nothing but itself."""

from __future__ import annotations

import os
import signal
import sys
import threading
from concurrent.futures import wait
from typing import TYPE_CHECKING

import psutil
import pytest
from served_requests import Echo, FillThenDie, Steps

from napari_medfreq import errors
from napari_medfreq.jobs.host import ChildExecutor
from napari_medfreq.jobs.messages import Allocated, Progress
from napari_medfreq.jobs.process import _describe

if TYPE_CHECKING:
    from pathlib import Path

    from asking import Listener


from asking import SECONDS, child_pid

posix = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")


@posix
@pytest.mark.parametrize(
    ("number", "words"), [("SIGKILL", "memory ran out"), ("SIGSEGV", "SIGSEGV"), ("SIGABRT", "SIGABRT")]
)
def test_crash_costs_the_child_only(executor: ChildExecutor, listener: Listener, number: str, words: str) -> None:
    job = executor.submit(FillThenDie(getattr(signal, number)), listener)
    waiting = executor.submit(Echo("next"))
    with pytest.raises(errors.ComputeError, match=words):
        job.result(SECONDS)
    assert listener.wait(Allocated).array.min() == 7
    assert waiting.result(SECONDS) == "next"


@posix
def test_killed_from_outside_in_mid_run(executor: ChildExecutor, listener: Listener) -> None:
    pid = child_pid(executor)
    job = executor.submit(Steps(), listener)
    listener.wait(Progress)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(errors.ComputeError, match="killed by the system"):
        job.result(SECONDS)
    assert child_pid(executor) != pid


def test_killed_at_rest_is_replaced_without_a_word(executor: ChildExecutor) -> None:
    process = psutil.Process(child_pid(executor))
    process.kill()
    process.wait(5)
    # The end may be heard of after the next request was sent; one more must work in any case.
    wait([executor.submit(Echo(0))], SECONDS)
    assert executor.submit(Echo(1)).result(SECONDS) == 1


def test_exit_says_its_code_and_last_words(executor: ChildExecutor) -> None:
    job = executor.submit(FillThenDie(code=3, words="libfoo: cannot go on"))
    error = job.exception(SECONDS)
    assert isinstance(error, errors.ComputeError)
    assert "exit code 3" in str(error)
    assert "libfoo: cannot go on" in "".join(error.__notes__)


def test_child_that_cannot_start_says_so(tmp_path: Path, served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with ChildExecutor(tmp_path, served) as executor:
        with pytest.raises(errors.ComputeError, match="could not be started"):
            executor.submit(Echo()).result(SECONDS)
        monkeypatch.undo()


@posix
def test_child_that_dies_while_starting_says_so(tmp_path: Path, served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no interpreter here >&2\nexit 5\n")
    broken.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(broken))
    with ChildExecutor(tmp_path, served) as executor:
        jobs = [executor.submit(Echo()), executor.submit(Echo())]
        for job in jobs:
            error = job.exception(SECONDS)
            assert isinstance(error, errors.ComputeError)
            assert "exit code 5" in str(error)
            assert "while it was starting" in str(error)
            assert "no interpreter here" in "".join(error.__notes__)
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("medfreq")] == []


@pytest.mark.parametrize(
    ("code", "words"),
    [(-9, "memory ran out"), (-11, "SIGSEGV"), (-222, "signal 222"), (0xC0000005, "0xc0000005"), (7, "exit code 7")],
)
@posix
def test_every_end_has_its_words(code: int, words: str) -> None:
    assert words in _describe(code)
