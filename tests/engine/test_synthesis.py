from __future__ import annotations

import shutil
from itertools import permutations, product
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import torch

from napari_medfreq.engine import synthesis
from napari_medfreq.engine.synthesis import Synthesizer
from napari_medfreq.engine.synthesis_options import SynthesisOptions
from napari_medfreq.errors import Cancelled, ComputeError, InputError, ModelError
from napari_medfreq.io.files import read, write

from .test_synthesis_inputs import head

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_medfreq.volume import Volume

EXACT = SynthesisOptions(device="cpu", precision="float32")


class Sink:
    def __init__(self, stop_after: int = 10**6) -> None:
        self.notes: list[str] = []
        self.steps: list[tuple[int, int]] = []
        self.left = stop_after
        self.array: Any = None
        self.announced: Any = None

    def progress(self, done: int, total: int, text: str) -> None:
        self.steps.append((done, total))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def check(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled

    def allocate(self, name: str, shape: tuple[int, ...], dtype: str) -> Any:
        self.array, self.announced = np.zeros(shape, dtype), np.zeros(shape, bool)
        return self.array

    def partial(self, name: str, region: tuple[tuple[int, int], ...]) -> None:
        self.announced[tuple(slice(*span) for span in region)] = True
        assert not self.array[~self.announced].any(), "a viewer would not be told of what was just made"


@pytest.fixture(scope="module")
def synthesizer(synthesis_model: Path) -> Synthesizer:
    return Synthesizer.open(synthesis_model)


@pytest.fixture
def three() -> dict[str, Volume]:
    return {"t1": head(0), "t1c": head(1), "t2": head(2)}


def test_the_missing_contrast_lies_on_the_grid_of_the_first(synthesizer: Synthesizer, three: dict[str, Volume]) -> None:
    sink = Sink()
    made = synthesizer.synthesize(three, EXACT, sink)
    assert made.target == "flair"
    assert made.inputs == ("t1", "t1c", "t2")
    assert made.volume.data.shape == three["t1"].data.shape
    np.testing.assert_array_equal(made.volume.affine, three["t1"].affine)
    inside = np.logical_or.reduce([v.data > 0 for v in three.values()])
    assert not made.volume.data[~inside].any()
    assert 100 < made.volume.data[inside].mean() < 1000
    assert made.volume.data.max() <= 1000
    assert sink.steps[-1][0] == sink.steps[-1][1]
    assert sink.notes == []


def test_it_says_that_it_is_synthetic_wherever_one_looks(
    synthesizer: Synthesizer, three: dict[str, Volume], tmp_path: Path
) -> None:
    made = synthesizer.synthesize(three, EXACT, Sink())
    assert "SYNTHETIC flair" in made.volume.name
    assert made.provenance["synthetic"] is True
    assert made.provenance["target"] == "flair"
    assert "1000 stands for twice the 95 percentile" in made.provenance["intensities"]
    write(made.volume, tmp_path / "made.nii.gz")
    assert b"SYNTHETIC flair" in bytes(nib.load(tmp_path / "made.nii.gz").header["descrip"])
    again = read(tmp_path / "made.nii.gz")[0]
    assert any("SYNTHETIC" in note for note in again.header["notes"])
    sink = Sink()
    synthesizer.synthesize({"t1": three["t1"], "t2": three["t2"], "flair": again}, EXACT, sink)
    assert any("guess" in note for note in sink.notes)


def test_same_input_same_output_bit_for_bit(synthesizer: Synthesizer, three: dict[str, Volume]) -> None:
    one, other = (synthesizer.synthesize(three, EXACT, Sink()).volume.data for _ in range(2))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("codes", ["".join(c) for p in permutations(("RL", "AP", "SI")) for c in product(*p)][::5])
def test_every_orientation_gives_the_same_anatomy(
    synthesizer: Synthesizer, three: dict[str, Volume], tmp_path: Path, codes: str
) -> None:
    straight = synthesizer.synthesize(three, EXACT, Sink()).volume
    turned = {}
    for name, volume in three.items():
        image = nib.Nifti1Image(volume.data.T, volume.affine)
        ornt = nib.orientations.ornt_transform(nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(codes))
        nib.save(image.as_reoriented(ornt), tmp_path / f"{name}.nii.gz")
        turned[name] = read(tmp_path / f"{name}.nii.gz")[0]
    sink = Sink()
    made = synthesizer.synthesize(turned, EXACT, sink).volume
    np.testing.assert_array_equal(made.affine, turned["t1"].affine)
    assert made.data.shape == turned["t1"].data.shape
    write(made, tmp_path / "made.nii.gz")
    back = nib.as_closest_canonical(nib.load(tmp_path / "made.nii.gz"))
    np.testing.assert_allclose(np.asarray(back.dataobj), straight.data.T, atol=0.5)


def test_the_number_of_planes_made_together_does_not_matter(synthesizer: Synthesizer, three: dict[str, Volume]) -> None:
    few, many = (
        synthesizer.synthesize(three, SynthesisOptions(device="cpu", precision="float32", batch=n), Sink()).volume.data
        for n in (1, 16)
    )
    np.testing.assert_allclose(few, many, atol=0.05)


def test_a_contrast_that_is_there_can_be_made_anew(synthesizer: Synthesizer, three: dict[str, Volume]) -> None:
    options = SynthesisOptions("t1", 200.0, device="cpu", precision="float32")
    made = synthesizer.synthesize({**three, "flair": head(3)}, options, Sink())
    assert made.inputs == ("t1c", "t2", "flair")
    assert made.volume.data.max() <= 200


def test_subsets_that_were_never_seen_are_refused(synthesizer: Synthesizer, three: dict[str, Volume]) -> None:
    with pytest.raises(InputError, match="never saw fewer"):
        synthesizer.synthesize({"t1": three["t1"]}, EXACT, Sink())
    with pytest.raises(InputError, match="does not know dwi"):
        synthesizer.synthesize({**three, "dwi": head(4)}, EXACT, Sink())


def test_it_can_be_cancelled_between_batches(synthesizer: Synthesizer, three: dict[str, Volume]) -> None:
    sink = Sink(stop_after=2)
    with pytest.raises(Cancelled):
        synthesizer.synthesize(three, EXACT, sink)
    assert 0 < sink.steps[-1][0] < sink.steps[-1][1]
    assert sink.array.any()


def test_little_memory_means_fewer_planes_at_a_time(
    synthesizer: Synthesizer, three: dict[str, Volume], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = synthesizer.synthesize(three, EXACT, Sink()).volume.data
    limit = 1

    def planes(*arguments: Any, batch: int, **options: Any) -> Iterator[Any]:
        if batch > limit:
            raise torch.cuda.OutOfMemoryError
        return make(*arguments, batch=batch, **options)

    make = synthesis.synthesise_planes
    monkeypatch.setattr(synthesis, "synthesise_planes", planes)
    sink = Sink()
    made = synthesizer.synthesize(three, EXACT, sink)
    assert any("one slice" in note for note in made.provenance["notes"])
    np.testing.assert_allclose(made.volume.data, whole, atol=0.05)
    limit = 0
    with pytest.raises(ComputeError, match="even one slice"):
        synthesizer.synthesize(three, EXACT, Sink())


def test_a_model_that_segments_or_is_damaged_is_refused(
    models_folder: Path, synthesis_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="not for synthesis"):
        Synthesizer.open(models_folder / "tiny")
    broken = shutil.copytree(synthesis_model, tmp_path / "broken")
    weights = bytearray((broken / "weights.safetensors").read_bytes())
    weights[-1] ^= 255
    (broken / "weights.safetensors").write_bytes(bytes(weights))
    with pytest.raises(ModelError, match="hash"):
        Synthesizer.open(broken)
