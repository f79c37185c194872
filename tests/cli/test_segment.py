from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    Program = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)).save(path)
    return path


def test_one_file_in_one_mask_out(program: Program, photo: Path, tmp_path: Path) -> None:
    done = program("segment", photo, "-o", tmp_path / "mask.png", "-m", "tiny", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "mask.png") as mask:
        assert mask.size == (70, 50)
    facts = json.loads((tmp_path / "mask.png.provenance.json").read_text(encoding="utf-8"))
    assert facts["source"]["path"] == str(photo)
    assert facts["model"]["name"] == "tiny"
    assert facts["regions"][0]["label"]["name"] == "thing"
    assert "thing" in done.stdout
    assert "px" in done.stdout


def test_json_with_passes_is_the_same_for_the_same_seed(program: Program, photo: Path, tmp_path: Path) -> None:
    words = ["segment", photo, "-m", "tiny", "--passes", 5, "--seed", 7, "--uncertainty", "--json", "--precision"]
    results = []
    for folder in ("a", "b"):
        done = program(*words, "float32", "-o", folder)
        assert done.returncode == 0, done.stderr
        (result,) = json.loads(done.stdout)["results"]
        results.append(result)
        with Image.open(tmp_path / result["outputs"]["uncertainty"]) as picture:
            uncertainty = np.asarray(picture)
        assert uncertainty.shape == (50, 70)
        assert 0 < uncertainty.max() <= 1
    first, second = results
    assert first["regions"] == second["regions"]
    assert first["regions"][0]["label"]["name"] == "thing"


def test_one_broken_file_does_not_stop_the_rest(program: Program, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.nii.gz").touch()
    other = tmp_path / "grey.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(other)
    inputs = (tmp_path / "empty.nii.gz", photo, tmp_path / "missing.png", other)
    done = program("segment", *inputs, "-o", "out", "-m", "tiny", "--json")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    answer = json.loads(done.stdout)
    assert [Path(result["input"]).name for result in answer["results"]] == ["photo.png", "grey.png"]
    assert [Path(failure["input"]).name for failure in answer["failures"]] == ["empty.nii.gz", "missing.png"]
    assert "2 of 4 inputs failed" in done.stderr
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == ["grey_seg.png", "photo_seg.png"]


def test_a_volume_keeps_its_place(program: Program, tmp_path: Path) -> None:
    affine = np.diag([-0.5, 0.5, 3.0, 1.0])
    data = np.random.default_rng(0).normal(size=(40, 36, 3)).astype(np.float32)
    nib.save(nib.Nifti1Image(data, affine), tmp_path / "scan.nii.gz")
    done = program("segment", "scan.nii.gz", "-o", "mask.nii.gz", "-m", "tiny")
    assert done.returncode == 0, done.stderr
    mask = nib.load(tmp_path / "mask.nii.gz")
    assert mask.shape == data.shape
    np.testing.assert_allclose(mask.affine, affine)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--uncertainty",), "--passes"),
        (("--model", "no-such-model"), "no-such-model"),
        (("--passes", "-1"), "passes"),
        (("--threshold", "2"), "threshold"),
        (("--device", "cuda:99"), "cuda:99"),
        (("--device", "toaster"), "toaster"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(
    program: Program, photo: Path, tmp_path: Path, words: tuple[str, ...], expected: str
) -> None:
    done = program("segment", photo, "-o", "out", *(() if "--model" in words else ("--model", "tiny")), *words)
    assert done.returncode != 0
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("out/*"))
