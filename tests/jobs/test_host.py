"""The child process: what it answers, and that nothing it does harms this process."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import CancelledError, wait
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import psutil
import pytest
from served_requests import Double, Echo, Fail, FillThenDie, Giveaway, Hang, State, Steps

from napari_medfreq import errors
from napari_medfreq.jobs.host import ChildExecutor
from napari_medfreq.jobs.messages import Allocated, Note, Partial, Progress
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Listener
    from napari_medfreq.jobs.messages import Event, Job

SECONDS = 30.0
posix = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")


def child_pid(executor: ChildExecutor) -> int:
    return executor.submit(State()).result(SECONDS)["pid"]


def cancelled_within(job: Job[Any], seconds: float = 2.0) -> bool:
    """Cancel `job` and return whether it ended so in time."""
    begun = monotonic()
    assert job.cancel()
    with pytest.raises(CancelledError):
        job.result(seconds)
    return job.cancelled() and monotonic() - begun <= seconds


# What comes back


def test_result_events_and_grid_come_back(executor: ChildExecutor, listener: Listener) -> None:
    affine = np.diag([-0.5, 0.7, 3.0, 1.0])
    header = {"callable": lambda: None, "patient": "A"}
    data = np.random.default_rng(0).random((5, 60, 70), dtype=np.float32)
    volume = Volume(data, affine, name="scan", source=Path("scan.nii.gz"), header=header)

    result = executor.submit(Double(volume), listener).result(SECONDS)

    np.testing.assert_array_equal(result.data, data * 2)
    np.testing.assert_array_equal(result.affine, affine)
    assert (result.kind, result.name, result.source) == ("labels", "scan", Path("scan.nii.gz"))
    assert result.header is header  # never left this process: it cannot be pickled
    kinds = [type(event) for event in listener.events]
    assert kinds == [Allocated, *[Partial, Progress] * 5, Note]
    assert [e.done for e in listener.events if isinstance(e, Progress)] == [1, 2, 3, 4, 5]
    assert [e.region[0] for e in listener.events if isinstance(e, Partial)] == [(i, i + 1) for i in range(5)]


def test_announced_array_is_the_result_and_fills_while_it_runs(executor: ChildExecutor, listener: Listener) -> None:
    volume = Volume(np.ones((40, 64, 64), np.float32))
    seen = []

    def on_event(event: Event) -> None:
        listener(event)
        if isinstance(event, Partial):
            array = listener.events[0].array
            seen.append(float(array[event.region[0][0]].min()))

    result = executor.submit(Double(volume), on_event).result(SECONDS)
    assert seen == [2.0] * 40
    assert result.data is listener.events[0].array


def test_arrays_outlive_executor_and_can_be_painted(
    executor: ChildExecutor, listener: Listener, tmp_path: Path
) -> None:
    result = executor.submit(Double(Volume(np.ones((3, 100, 100), np.float32))), listener).result(SECONDS)
    executor.shutdown()
    assert list(tmp_path.iterdir()) == []
    result.data[1] = 5
    assert listener.events[0].array[:, 0, 0].tolist() == [2, 5, 2]


def test_jobs_run_one_after_the_other(executor: ChildExecutor) -> None:
    spans = []

    def watch(name: str) -> Callable[[Event], None]:
        return lambda event: spans.append(name)

    jobs = [executor.submit(Steps(10), watch(name)) for name in "abc"]
    assert [job.result(SECONDS) for job in jobs] == [10, 10, 10]
    assert "".join(spans) == "a" * 10 + "b" * 10 + "c" * 10


def test_child_is_a_fresh_interpreter_behind_the_viewer(executor: ChildExecutor) -> None:
    state = executor.submit(State(("pytest", "torch", "napari", "qtpy"))).result(SECONDS)
    assert state["modules"] == []
    assert state["environment"] == []  # its own children do not learn the key
    assert state["main"] == "napari_medfreq.jobs.child"
    assert os.path.abspath(state["path"]) != os.getcwd()
    assert state["pid"] != os.getpid()
    if hasattr(os, "nice"):
        assert state["nice"] == min(os.nice(0) + 5, 19)
    assert child_pid(executor) == state["pid"]  # persistent


# Cancel


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


def test_cancel_after_the_end_changes_nothing(executor: ChildExecutor) -> None:
    job = executor.submit(Echo(3))
    assert job.result(SECONDS) == 3
    assert not job.cancel()
    assert job.result() == 3


def test_request_that_gives_up_by_itself_counts_as_cancelled(executor: ChildExecutor) -> None:
    job = executor.submit(Fail("cancelled"))
    with pytest.raises(CancelledError):
        job.result(SECONDS)


# Crashes


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


# Errors


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


# Ends


def test_shutdown_cancels_all_and_removes_everything(tmp_path: Path, served: str, listener: Listener) -> None:
    executor = ChildExecutor(tmp_path, served)
    pid = child_pid(executor)
    jobs = [executor.submit(Hang(), listener), executor.submit(Echo(1))]
    listener.wait(Progress)
    begun = monotonic()
    executor.shutdown()
    executor.shutdown()
    assert monotonic() - begun < 2
    assert all(job.cancelled() for job in jobs)
    assert not psutil.pid_exists(pid)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(Echo(1))


def test_executor_that_is_forgotten_ends_its_child(tmp_path: Path, served: str) -> None:
    executor = ChildExecutor(tmp_path, served)
    process = psutil.Process(child_pid(executor))
    del executor
    gc.collect()
    assert psutil.wait_procs([process], 5)[1] == []


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


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


counts_descriptors = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors in /proc")


@counts_descriptors
def test_crashes_leak_nothing(executor: ChildExecutor, tmp_path: Path) -> None:
    executor.submit(Echo()).result(SECONDS)
    before, threads = descriptors(), threading.active_count()
    for _ in range(3):
        assert executor.submit(FillThenDie(code=1)).exception(SECONDS)
        executor.submit(Echo()).result(SECONDS)
    assert descriptors() == before
    assert threading.active_count() == threads
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.glob("*.log"))) == 1
    assert list(folder.glob("*.array")) == []


@counts_descriptors
def test_many_jobs_leak_nothing(executor: ChildExecutor, tmp_path: Path) -> None:
    volume = Volume(np.ones((2, 100, 100), np.float32))
    executor.submit(Double(volume)).result(SECONDS)
    before, threads = descriptors(), threading.active_count()
    for _ in range(100):
        assert executor.submit(Double(volume)).result(SECONDS).data.max() == 2
    assert descriptors() == before
    assert threading.active_count() == threads
    (folder,) = tmp_path.iterdir()
    assert list(folder.glob("*.array")) == []


def test_importing_the_host_loads_no_torch() -> None:
    code = "import sys, napari_medfreq.jobs.host; print({'torch', 'napari', 'qtpy'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_submitting_a_large_array_holds_nobody_up(executor: ChildExecutor) -> None:
    """The thread that submits goes on at once, and its event loop has no gap while another thread copies."""
    array = np.ones((4000, 5000))[:, ::-1]  # 160 MB
    executor.submit(Echo()).result(SECONDS)
    ticks = [monotonic()]
    job = executor.submit(Echo(array))
    while wait([job], 0.001).not_done:
        ticks.append(monotonic())
    assert len(ticks) > 10
    assert max(later - earlier for earlier, later in pairwise(ticks)) < 0.05
    np.testing.assert_array_equal(job.result(), array)
