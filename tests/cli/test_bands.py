from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Program = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    data = np.random.default_rng(0).normal(size=(40, 36, 3)).astype(np.float32)
    nib.save(nib.Nifti1Image(data, np.diag([-0.5, 0.5, 3.0, 1.0])), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


def test_bands_as_the_manual_has_it(program: Program, scan: Path, tmp_path: Path) -> None:
    words = ("--transform", "contourlet", "--levels", "3,3,4", "--mute", "1:2,5", "--csv")
    done = program("bands", scan, "-o", "out", *words)
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert len([name for name in names if "_band-" in name]) == 1 + 8 + 8 + 16
    assert {"scan_bands.csv", "scan_changed.nii.gz"} <= names
    assert nib.load(tmp_path / "out" / "scan_changed.nii.gz").shape == (40, 36, 3)
    with (tmp_path / "out" / "scan_bands.csv").open(encoding="utf-8") as file:
        gains = {row["band"]: float(row["gain"]) for row in csv.DictReader(file)}
    assert {band for band, gain in gains.items() if gain == 0.0} == {"1:2", "1:5"}
    assert "cycles/mm" in done.stdout
    assert "scan_changed.nii.gz" in done.stderr


def test_json_and_a_file_that_fails(program: Program, scan: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.nii.gz").touch()
    words = ("--transform", "fourier", "--edges", "0.2,0.5", "--no-images", "--json")
    done = program("bands", tmp_path / "empty.nii.gz", scan, "-o", "out", *words)
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert [row["cycles_per_mm_to"] for row in answer["results"][0]["bands"][:2]] == [0.2, 0.5]
    assert "empty" in answer["failures"][0]["error"]
    assert "1 of 2 inputs failed" in done.stderr
    assert "Traceback" not in done.stderr


def test_three_dimensions_and_presets(program: Program, tmp_path: Path) -> None:
    data = np.random.default_rng(0).normal(size=(20, 24, 16)).astype(np.float32)
    nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / "cube.nii")
    words = ("--transform", "wavelet", "--scales", 2, "--3d", "--preset", "no-low-pass", "--no-images", "--npz")
    done = program("bands", "cube.nii", "-o", "out", *words)
    assert done.returncode == 0, done.stderr
    assert abs(nib.load(tmp_path / "out" / "cube_changed.nii").get_fdata().mean()) < 0.02
    with np.load(tmp_path / "out" / "cube_bands.npz") as archive:
        assert len(archive.files) == 1 + 2 * 7 + 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--levels", "three"), 2, "whole numbers"),
        (("--levels", "9"), 1, "0 to 6"),
        (("--3d",), 1, "plane by plane"),
        (("--mute", "7:1"), 1, "no scale 7"),
        (("--slice", 3), 1, "no plane 3"),
        (("--preset", "magic"), 2, "denoise"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    words: tuple[str, ...], code: int, said: str, program: Program, scan: Path
) -> None:
    done = program("bands", scan, "-o", "out", "--no-images", *words)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_cannot_hold_all(program: Program, scan: Path) -> None:
    done = program("bands", scan, "-o", "bands.nii.gz")
    assert done.returncode == 1
    assert "Name a folder" in done.stderr
