"""The compute process itself: what it is, how its errors arrive, and when it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import psutil
import pytest
from asking import SECONDS, child_pid
from served_requests import Echo, Fail, Giveaway, State

from napari_medfreq import errors

if TYPE_CHECKING:
    from pathlib import Path

    from napari_medfreq.jobs.host import ChildExecutor


def test_child_is_a_fresh_interpreter_behind_the_viewer(executor: ChildExecutor) -> None:
    state = executor.submit(State(("pytest", "torch", "napari", "qtpy"))).result(SECONDS)
    assert state["modules"] == []
    assert state["environment"] == []  # its own children do not learn the key
    assert state["main"] == "napari_medfreq.jobs.child"
    assert os.path.abspath(state["path"]) != os.getcwd()
    assert state["pid"] != os.getpid()
    if hasattr(os, "nice"):
        assert state["nice"] == min(os.nice(0) + 15, 19)
    assert child_pid(executor) == state["pid"]  # persistent


def test_our_errors_come_back_as_they_are(executor: ChildExecutor) -> None:
    error = executor.submit(Fail("model")).exception(SECONDS)
    assert type(error) is errors.ModelError
    assert str(error) == "unet: the weights have another hash than the card says."
    assert "Traceback" in "".join(error.__notes__)
    own = executor.submit(Fail("own")).exception(SECONDS)
    assert type(own) is errors.InputError
    assert str(own) == "scan.nii: 5 channels for a model with 3."


@pytest.mark.parametrize(("kind", "words"), [("value", "do not match"), ("nasty", "nasty more"), ("memory", "memory")])
def test_other_errors_become_compute_errors_without_traceback(executor: ChildExecutor, kind: str, words: str) -> None:
    error = executor.submit(Fail(kind)).exception(SECONDS)
    assert type(error) is errors.ComputeError
    assert words in str(error)
    assert "Traceback" not in str(error)
    assert "\n" not in str(error)
    assert "Traceback" in "".join(error.__notes__)


@pytest.mark.parametrize("kind", ["lambda", "unreadable"])
def test_results_that_cannot_cross_are_errors(executor: ChildExecutor, kind: str) -> None:
    assert isinstance(executor.submit(Giveaway(kind)).exception(SECONDS), errors.ComputeError)
    assert executor.submit(Echo(1)).result(SECONDS) == 1


SCRIPT = """
    import sys
    from served_requests import {request}, State
    from napari_medfreq.jobs.host import ChildExecutor
    executor = ChildExecutor(sys.argv[1], "served_requests")
    print(executor.submit(State()).result()["pid"], flush=True)
    executor.submit({request}(), lambda event: print("running", flush=True))
    {then}
"""


@pytest.mark.parametrize("then", ["import time; time.sleep(60)", "sys.exit()"])
def test_child_ends_with_the_process_that_started_it(tmp_path: Path, served: str, then: str) -> None:
    script = textwrap.dedent(SCRIPT.format(request="Hang", then=then))
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        if "sleep" in then:
            assert parent.stdout.readline() == "running\n"
            parent.kill()
        assert parent.wait(10) == (0 if "exit" in then else parent.returncode)
        assert psutil.wait_procs([child], 5)[1] == []
    assert list(tmp_path.iterdir()) == [] or "sleep" in then
