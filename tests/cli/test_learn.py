from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from napari_medfreq.cli.main import app
from napari_medfreq.io.models import read_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Program = Callable[..., Result]


@pytest.fixture
def program(tmp_path: Path, models_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Run ``napari-medfreq`` in this process, in an empty folder, with the tiny model at hand."""
    monkeypatch.setenv("MEDFREQ_MODELS", str(models_folder))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def corrected(tmp_path: Path) -> Path:
    """Ten pictures of a bright square, with its mask."""
    folder = tmp_path / "corrected"
    rng = np.random.default_rng(0)
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for number in range(10):
        row, column = rng.integers(4, 20, 2)
        mask = np.zeros((48, 48), np.uint8)
        mask[row : row + 20, column : column + 20] = 1
        image = rng.integers(0, 60, (48, 48, 3)) + 150 * mask[..., None]
        Image.fromarray(image.astype(np.uint8)).save(folder / "images" / f"{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
    return folder


def test_a_model_learns_and_is_found_by_its_folder(corrected: Path, program: Program, tmp_path: Path) -> None:
    new = tmp_path / "new"
    words = ("learn", corrected, "-m", "tiny", "-o", new, "--run", "run", "--steps", 60, "--rate", 1e-2)
    done = program(*words, "--json")
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["parent"] == "tiny"
    assert answer["better"] is True, answer
    assert answer["held_out"]["after"] > answer["held_out"]["before"]
    assert read_model(new).version == "1.1"
    again = program(*words)
    assert again.exit_code == 1
    assert "There is a model" in again.stderr.replace("\n", " ")


def test_what_is_not_better_is_said_plainly(corrected: Path, program: Program, tmp_path: Path) -> None:
    words = ("learn", corrected, "-m", "tiny", "-o", tmp_path / "new", "--run", "run", "--steps", 1, "--rate", 1e-12)
    done = program(*words)
    assert done.exit_code == 0, done.stderr
    assert "not better than tiny and was not added" in done.stdout
    assert "did not rise" in done.stdout
    assert not (tmp_path / "new").exists()


def test_too_few_corrections_are_one_plain_line(corrected: Path, program: Program, tmp_path: Path) -> None:
    for file in corrected.rglob("*.png"):
        if file.stem != "0":
            file.unlink()
    done = program("learn", corrected, "-m", "tiny", "--run", tmp_path / "run")
    assert done.exit_code == 1
    assert "At least two are needed" in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


def test_a_killed_run_leaves_nothing_half_written(corrected: Path, models_folder: Path, tmp_path: Path) -> None:
    models, run = tmp_path / "models", tmp_path / "run"
    models.mkdir()
    command = [sys.executable, "-c", "from napari_medfreq.cli.main import app; app()", "learn", str(corrected)]
    command += ["-m", str(models_folder / "tiny"), "-o", str(models / "new"), "--run", str(run), "--steps", "100000"]
    variables = {**os.environ, "MEDFREQ_MODELS": str(models)}
    with subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True, encoding="utf-8") as process:
        said = next((line for line in process.stderr or () if line.strip() == "learn: learning"), None)
        process.kill()
    assert said is not None
    assert process.returncode != 0
    assert list(models.iterdir()) == []
    for line in (run / "events.jsonl").read_text().splitlines():
        json.loads(line)
    assert not list((run / "checkpoints").glob("[!.]*"))
