"""Real requests, answered by the engine, in both executors."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import CancelledError
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_medfreq.engine.options import SegmentOptions
from napari_medfreq.errors import InputError
from napari_medfreq.jobs.host import ChildExecutor
from napari_medfreq.jobs.inline import InlineExecutor
from napari_medfreq.jobs.messages import Allocated, Partial, Progress, Request, SegmentRequest
from napari_medfreq.jobs.run import run
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from asking import Listener

SECONDS = 60.0


@pytest.fixture(scope="module")
def warm_child(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildExecutor]:
    """A child that has loaded its libraries and the model."""
    with ChildExecutor(tmp_path_factory.mktemp("child")) as executor:
        executor.warm_up(str(tiny_model)).result(SECONDS)
        yield executor


def test_child_segments_as_this_process_does(
    tiny_model: Path, scan: Volume, warm_child: ChildExecutor, listener: Listener
) -> None:
    request = SegmentRequest(scan, str(tiny_model), SegmentOptions(passes=3, device="cpu", precision="float32"))
    here = InlineExecutor().submit(request).result()
    there = warm_child.submit(request, listener).result(SECONDS)
    for name in ("labels", "probability", "uncertainty"):
        ours, theirs = getattr(here, name), getattr(there, name)
        # The two processes may add in another order.
        np.testing.assert_allclose(ours.data.astype(float), theirs.data.astype(float), atol=2e-3)
        np.testing.assert_array_equal(theirs.affine, scan.affine)
        assert theirs.header is scan.header
    arrays = {event.name: event.array for event in listener.events if isinstance(event, Allocated)}
    assert {*arrays} == {"labels", "probability", "uncertainty"}
    assert all(np.shares_memory(arrays[name], getattr(there, name).data) for name in arrays)
    assert {type(event) for event in listener.events} >= {Partial, Progress}
    assert [region.label for region in there.regions] == [region.label for region in here.regions]


def test_cancel_while_the_libraries_are_loaded(tiny_model: Path, scan: Volume, tmp_path: Path) -> None:
    with ChildExecutor(tmp_path) as executor:
        job = executor.submit(SegmentRequest(scan, str(tiny_model)))
        while not job.running():
            assert not job.done()
        begun = monotonic()
        assert job.cancel()
        with pytest.raises(CancelledError):
            job.result(3.0)
        assert monotonic() - begun < 2.0
        # The next click is answered by the child that was started in its place.
        assert executor.submit(SegmentRequest(scan, str(tiny_model))).result(SECONDS).labels.data.shape == (6, 50, 60)


def test_model_is_loaded_once(tiny_model: Path, scan: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_medfreq.engine import segmenter

    opened: list[Any] = []
    real = segmenter.Segmenter.open.__func__  # type: ignore[attr-defined]

    def counted(cls: type, *args: Any) -> Any:
        opened.append(args)
        return real(cls, *args)

    monkeypatch.setattr(segmenter.Segmenter, "open", classmethod(counted))
    from napari_medfreq.jobs import run as answers

    answers._loaded.cache_clear()
    for _ in range(2):
        InlineExecutor().submit(SegmentRequest(scan, str(tiny_model))).result()
    assert len(opened) == 1


def test_errors_of_the_engine_arrive_in_words(tiny_model: Path, warm_child: ChildExecutor) -> None:
    bad = Volume(np.full((3, 40, 40), np.nan, np.float32), name="empty scan")
    with pytest.raises(InputError, match="empty scan"):
        warm_child.submit(SegmentRequest(bad, str(tiny_model))).result(SECONDS)


def test_unknown_request_is_a_bug() -> None:
    class Unheard(Request[None]):
        pass

    with pytest.raises(TypeError, match="Unheard"):
        run(Unheard(), None)  # type: ignore[arg-type]


VIEWER = """
import sys
import numpy as np
from napari_medfreq.jobs.host import ChildExecutor
from napari_medfreq.jobs.messages import SegmentRequest
from napari_medfreq.volume import Volume
scan = Volume(np.random.default_rng(0).random((40, 50)).astype("f4"), axes="yx", channels=("t1",))
with ChildExecutor() as executor:
    executor.submit(SegmentRequest(scan, sys.argv[1])).result()
print({"torch", "monai", "lightning"} & {*sys.modules})
"""


def test_whole_segmentation_leaves_the_viewer_without_torch(tiny_model: Path) -> None:
    command = [sys.executable, "-c", VIEWER, str(tiny_model)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "set()\n"


def test_dispatch_itself_loads_no_torch() -> None:
    code = "import sys, napari_medfreq.jobs.run; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
