"""Questions about frequencies, asked of a real child process."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_medfreq.engine.anatomy import plane_of
from napari_medfreq.engine.frequencies.options import FrequencyOptions
from napari_medfreq.errors import InputError
from napari_medfreq.io.files import read
from napari_medfreq.jobs.frequency_requests import (
    AnalyseRequest,
    BandsRequest,
    CoefficientsRequest,
    FilterRequest,
    ListenRequest,
    NeedsRequest,
    SpectrumRequest,
)
from napari_medfreq.jobs.host import ChildExecutor
from napari_medfreq.jobs.inline import InlineExecutor
from napari_medfreq.jobs.latest import Latest
from napari_medfreq.jobs.messages import Allocated, Note, Partial, Progress
from napari_medfreq.transforms.bands import BandKey
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from asking import Listener

SECONDS = 120.0
OPTIONS = FrequencyOptions(levels=(2, 3))
LOW = BandKey(0, 0)


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildExecutor]:
    with ChildExecutor(tmp_path_factory.mktemp("child")) as executor:
        yield executor


def test_child_answers_as_this_process_does(child: ChildExecutor, scan: Volume) -> None:
    here = InlineExecutor()
    plane = plane_of(scan, "axial", 2)
    analysis = child.submit(AnalyseRequest(plane, OPTIONS)).result(SECONDS)
    ours = here.submit(AnalyseRequest(plane, OPTIONS)).result()
    assert analysis.layout == ours.layout
    np.testing.assert_allclose([m.energy for m in analysis.bands], [m.energy for m in ours.bands], rtol=1e-4)
    gains = {LOW: 0.0, BandKey(2, 3): 1.5}
    changed = child.submit(FilterRequest(plane, OPTIONS, gains)).result(SECONDS)
    expected = here.submit(FilterRequest(plane, OPTIONS, gains)).result()
    np.testing.assert_allclose(changed.data, expected.data, atol=1e-5)
    np.testing.assert_array_equal(changed.affine, plane.affine)
    assert changed.header is plane.header
    (band,) = child.submit(BandsRequest(plane, OPTIONS, (BandKey(1, 2),))).result(SECONDS)
    assert band.form == "coefficients"
    assert band.image.data.size < plane.data.size
    held = child.submit(CoefficientsRequest(plane, OPTIONS)).result(SECONDS)
    assert set(held.parts) == {band.key for band in analysis.layout}
    (spectrum,) = child.submit(SpectrumRequest((plane,))).result(SECONDS)
    assert spectrum.frequency.shape == spectrum.power.shape


def test_a_volume_is_filled_plane_by_plane(child: ChildExecutor, scan: Volume, listener: Listener) -> None:
    changed = child.submit(FilterRequest(scan, OPTIONS, {LOW: 0.0}), listener).result(SECONDS)
    (allocated,) = [event for event in listener.events if isinstance(event, Allocated)]
    assert np.shares_memory(allocated.array, changed.data)
    parts = [event for event in listener.events if isinstance(event, Partial)]
    assert len(parts) == 6
    assert [event.done for event in listener.events if isinstance(event, Progress)] == [*range(1, 7)]


def test_needs_and_listening(child: ChildExecutor, scan: Volume, tiny_model: Path, listener: Listener) -> None:
    keys = (BandKey(1, 0), BandKey(2, 7))
    job = child.submit(NeedsRequest(scan, str(tiny_model), OPTIONS, index=3, keys=keys), listener)
    needs = job.result(SECONDS)
    assert tuple(need.key for need in needs.bands) == keys
    (allocated,) = [event for event in listener.events if isinstance(event, Allocated)]
    assert allocated.array.tolist() == [need.dice for need in needs.bands]
    np.testing.assert_allclose(needs.mask.affine, plane_of(scan, "axial", 3).affine)
    heard = child.submit(ListenRequest(scan, str(tiny_model), "coronal", 10)).result(SECONDS)
    assert {vote.stride for vote in heard.votes} == {4, 8, 16, 32}
    assert len(heard.prompt) == 12


def test_bad_input_comes_back_in_words(child: ChildExecutor) -> None:
    waves = Volume(np.ones((64, 64), complex), axes="yx", name="k-space")
    with pytest.raises(InputError, match="k-space holds complex numbers"):
        child.submit(AnalyseRequest(waves, OPTIONS)).result(SECONDS)


def test_notes_are_said_once_and_not_at_every_step_of_a_slider(
    child: ChildExecutor, scan: Volume, listener: Listener
) -> None:
    data = scan.data[0].copy()
    data[5, 5] = np.nan
    image = Volume(data, axes="yx", name="holed")
    child.submit(AnalyseRequest(image, OPTIONS), listener).result(SECONDS)
    for gain in (0.0, 0.5):
        child.submit(FilterRequest(image, OPTIONS, {LOW: gain}), listener).result(SECONDS)
    notes = [event for event in listener.events if isinstance(event, Note)]
    assert len(notes) == 1
    assert "NaN" in notes[0].text


def test_a_dragged_slider_ends_at_its_last_value(child: ChildExecutor, scan: Volume) -> None:
    plane = plane_of(scan, "axial", 1)
    latest: Latest[Volume] = Latest(child)
    steps = [gain / 50 for gain in range(51)]
    jobs = [latest.submit(FilterRequest(plane, OPTIONS, {LOW: gain})) for gain in steps]
    last = jobs[-1].result(SECONDS)
    np.testing.assert_array_equal(last.data, plane.data)
    assert all(job.done() for job in jobs)
    assert sum(job.cancelled() for job in jobs) > 25


VIEWER = """
import sys
import numpy as np
from napari_medfreq.jobs.frequency_requests import AnalyseRequest, FilterRequest, NeedsRequest
from napari_medfreq.jobs.host import ChildExecutor
from napari_medfreq.volume import Volume
image = Volume(np.random.default_rng(0).random((64, 80)).astype("f4"), axes="yx", channels=("t1",))
with ChildExecutor() as executor:
    layout = executor.submit(AnalyseRequest(image)).result().layout
    executor.submit(FilterRequest(image, gains={layout[0].key: 0.0})).result()
    executor.submit(NeedsRequest(image, sys.argv[1], keys=(layout[1].key,))).result()
print({"torch", "pywt", "ptwt", "scipy"} & {*sys.modules})
"""


def test_the_viewer_stays_without_torch(tiny_model: Path) -> None:
    command = [sys.executable, "-c", VIEWER, str(tiny_model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "set()\n"


@pytest.mark.data
def test_a_real_brain(child: ChildExecutor, data_folder: Path) -> None:
    (path,) = (data_folder / "mr_multicontrast" / "tcga_du_7294").glob("t1c.nii*")
    (brain,) = read(path)
    plane = plane_of(brain, "coronal", 100)
    analysis = child.submit(AnalyseRequest(plane, FrequencyOptions())).result(SECONDS)
    assert analysis.unit == "cycles/mm"
    assert analysis.bands[0].share > 0.8
    total = float(np.square(plane.data.astype(float)).sum())
    assert sum(measure.energy for measure in analysis.bands) == pytest.approx(total, rel=0.05)
    smooth = {measure.key: 0.0 for measure in analysis.bands if measure.key.scale == 3}
    changed = child.submit(FilterRequest(plane, FrequencyOptions(), smooth)).result(SECONDS)
    before, after = child.submit(SpectrumRequest((plane, changed))).result(SECONDS)
    fine = before.frequency > 0.4
    assert after.power[fine].sum() < 0.05 * before.power[fine].sum()
    coarse = before.frequency < 0.1
    np.testing.assert_allclose(after.power[coarse], before.power[coarse], rtol=0.05)
