from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAMES = ("t1", "t1c", "t2", "flair")


def write_contrast(path: Path, seed: int) -> None:
    z, y, x = (np.arange(n) - n / 2 for n in (32, 30, 12))
    ball = (z[:, None, None] / 13) ** 2 + (y[:, None] / 12) ** 2 + (x / 5) ** 2 < 1
    data = np.where(ball, np.random.default_rng(seed).uniform(200, 900, ball.shape), 0).astype(np.int16)
    nib.save(nib.Nifti1Image(data, np.diag([-1.0, 1.0, 1.0, 1.0])), path)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with the four contrasts of one person, and one with two persons, of whom one lacks two."""
    for seed, name in enumerate(NAMES):
        write_contrast(tmp_path / f"{name}.nii.gz", seed)
    for person, names in (("anna", NAMES[:3]), ("bert", NAMES[:2])):
        (tmp_path / "persons" / person).mkdir(parents=True)
        for name in names:
            shutil.copy(tmp_path / f"{name}.nii.gz", tmp_path / "persons" / person)
    return tmp_path


def test_three_files_in_the_fourth_out(desk: Path, program: Callable[..., Any], synthesis_model: Path) -> None:
    words = (
        "--t1",
        "t1.nii.gz",
        "--t1c",
        "t1c.nii.gz",
        "--t2",
        "t2.nii.gz",
        "--target",
        "flair",
        "-m",
        synthesis_model,
    )
    done = program("synthesize", *words, "-o", "out.nii.gz", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)["results"][0]
    assert said["target"] == "flair"
    assert list(said["inputs"]) == ["t1", "t1c", "t2"]
    made, source = nib.load(desk / "out.nii.gz"), nib.load(desk / "t1.nii.gz")
    assert made.shape == source.shape
    np.testing.assert_array_equal(made.affine, source.affine)
    assert b"SYNTHETIC" in bytes(made.header["descrip"])
    record = json.loads((desk / "out.nii.gz.provenance.json").read_text(encoding="utf-8"))
    assert record["synthetic"] is True
    assert record["model"]["name"] == "tiny-synthesis"
    again = program("synthesize", *words, "-o", "out.nii.gz")
    assert again.returncode == 1
    assert "--overwrite" in again.stderr
    assert program("synthesize", *words, "-o", "out.nii.gz", "--overwrite").returncode == 0
    onto = program("synthesize", *words, "-o", "t1.nii.gz", "--overwrite")
    assert onto.returncode == 1
    assert "input itself" in onto.stderr


def test_a_folder_of_persons_and_one_who_fails(desk: Path, program: Callable[..., Any], synthesis_model: Path) -> None:
    done = program("synthesize", "--folder", "persons", "-m", synthesis_model, "-o", "made", "--json")
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert [result["subject"] for result in said["results"]] == ["anna"]
    assert (desk / "made" / "anna_flair_synthetic.nii.gz").is_file()
    assert "bert" in said["failures"][0]["error"]
    assert "never saw fewer" in said["failures"][0]["error"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Give either the files"),
        (("--t1", "t1.nii.gz", "--folder", "persons"), "Give either the files"),
        (("--t1", "t1.nii.gz", "--input", "t1=t2.nii.gz"), "given twice"),
        (("--input", "t1"), "NAME=FILE"),
        (("--t1", "t1.nii.gz", "--t2", "t1.nii.gz", "--flair", "flair.nii.gz"), "the same image"),
        (("--t1", "t1.nii.gz"), "never saw fewer"),
        (("--t1", "absent.nii.gz", "--t2", "t2.nii.gz", "--flair", "flair.nii.gz"), "does not exist"),
        (("--folder", "absent"), "no such folder"),
    ],
)
def test_bad_requests_are_refused_in_words(
    desk: Path, program: Callable[..., Any], synthesis_model: Path, words: tuple[str, ...], said: str
) -> None:
    done = program("synthesize", *words, "-m", synthesis_model, "-o", "out.nii.gz")
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (desk / "out.nii.gz").exists()
