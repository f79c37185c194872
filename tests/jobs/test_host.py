"""What the executor gives back, and that nothing of it stays behind."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from concurrent.futures import wait
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest
from served_requests import Double, Echo, FillThenDie, Hang

from napari_medfreq.jobs.host import ChildExecutor
from napari_medfreq.jobs.messages import Allocated, Note, Partial, Progress
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from asking import Listener

    from napari_medfreq.jobs.messages import Event


from asking import SECONDS, child_pid, descriptors


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


counts_descriptors = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors in /proc")


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


def test_importing_the_host_loads_no_torch() -> None:
    code = "import sys, napari_medfreq.jobs.host; print({'torch', 'napari', 'qtpy'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
