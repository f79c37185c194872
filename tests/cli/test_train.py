from __future__ import annotations

import csv
import json
import signal
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from napari_medfreq.cli.main import app
from napari_medfreq.io.models import open_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

CONFIG = """
name = "squares"
title = "Squares"
task = "a bright square"
checkpoint_every = 40
precision = "32-true"

[input]
channels = ["red", "green", "blue"]
size = 32
modalities = ["drawing"]

[[labels]]
value = 1
name = "square"
colour = "#e8a33d"

[network]
width = 16
scales = 0

[data]
source = "index.csv"

[[stages]]
size = 32
batch = 4
samples = 40

[card]
summary = "Finds squares."
licence = "CC0"
intended_use = "Tests."
not_for = "Patients."
"""


def draw(folder: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [("dataset", "id", "image", "mask", "group", "modality")]
    for number in range(30):
        mask = np.zeros((32, 36), np.uint8)
        top, left = rng.integers(0, 16, 2)
        mask[top : top + 14, left : left + 14] = 255
        image = (rng.uniform(20, 80, (32, 36, 3)) + mask[..., None] * 0.6).astype(np.uint8)
        Image.fromarray(image).save(folder / f"{number}.png")
        Image.fromarray(mask).save(folder / f"{number}_mask.png")
        task = "vessel" if number == 29 else "drawing"
        rows.append(("squares", str(number), f"{number}.png", f"{number}_mask.png", f"squares:{number}", task))
    with (folder / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep packed samples out of the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("platformdirs.user_cache_path", lambda *_, **__: folder)
        yield


@pytest.fixture(scope="module")
def medfreq() -> Callable[..., Result]:
    """Run the program in this process."""
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, medfreq: Callable[..., Result]) -> Path:
    """A folder with data, a config, a finished run and its model."""
    folder = tmp_path_factory.mktemp("squares")
    draw(folder)
    (folder / "squares.toml").write_text(CONFIG)
    handler = signal.getsignal(signal.SIGINT)
    done = medfreq("train", folder / "squares.toml", "--run", folder / "run", "--data", folder, "--accelerator", "cpu")
    assert done.exit_code == 0, done.output
    assert "Done" in done.stderr
    assert "validation Dice" in done.stderr
    assert signal.getsignal(signal.SIGINT) is handler
    done = medfreq("export", folder / "run", "-o", folder / "model", "--checkpoint", "final")
    assert done.exit_code == 0, done.output
    assert "Squares, version 1" in done.stderr
    return folder


def test_a_model_is_evaluated_in_json(place: Path, medfreq: Callable[..., Result]) -> None:
    done = medfreq("evaluate", "--model", place / "model", "--index", place / "index.csv", "--device", "cpu", "--json")
    assert done.exit_code == 0, done.output
    values = json.loads(done.stdout)
    figures = values["datasets"]["squares"]
    assert set(figures) == {"n", "dice", "iou", "mae"}
    assert figures["n"] == 29
    assert all(0 <= figures[key] <= 1 for key in ("dice", "iou", "mae"))
    assert values["skipped"] == {"squares: the model is not for vessel": 1}
    assert "skipped 1 cases of squares: the model is not for vessel" in done.stderr


def test_only_the_test_cases_are_evaluated_and_each_is_written_down(
    place: Path, medfreq: Callable[..., Result], tmp_path: Path
) -> None:
    words = ("evaluate", "-m", place / "model", "--index", place / "index.csv", "--device", "cpu")
    done = medfreq(*words, "--split", "test", "--json", "--per-case", tmp_path / "cases.csv")
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)["datasets"]["squares"]
    assert 0 < figures["n"] < 15
    with (tmp_path / "cases.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == figures["n"]
    assert np.mean([float(row["dice"]) for row in rows]) == pytest.approx(figures["dice"], abs=1e-3)
    done = medfreq(*words, "--split", "test", "--into-card")
    assert done.exit_code == 0, done.output
    assert "squares" in done.stdout
    model = open_model(str(place / "model"))
    assert model.card.metrics["squares"]["dice"] == figures["dice"]
    assert model.card.metrics["squares"]["n"] == figures["n"]


def test_figures_of_images_that_were_trained_on_stay_out_of_the_card(
    place: Path, medfreq: Callable[..., Result]
) -> None:
    done = medfreq("evaluate", "-m", place / "model", "--index", place / "index.csv", "--into-card")
    assert done.exit_code == 1
    assert "--into-card needs --model, --split test" in done.stderr


def test_a_run_is_evaluated_without_a_model(place: Path, medfreq: Callable[..., Result]) -> None:
    done = medfreq("evaluate", "--run", place / "run", "--index", place / "index.csv", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["datasets"]["squares"]["n"] == 29


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("evaluate", "--index", "x"), "Give either a model"),
        (("evaluate", "--index", "absent.csv", "-m", "x"), "absent.csv: there is no such index file or folder"),
        (("train", "absent.toml", "--run", "x"), "absent.toml: the training config cannot be read"),
        (("export", "absent", "-o", "x"), "the training config cannot be read"),
    ],
)
def test_mistakes_are_one_line(words: tuple[str, ...], message: str, medfreq: Callable[..., Result]) -> None:
    done = medfreq(*words)
    assert done.exit_code == 1
    assert message in done.stderr
    assert "Traceback" not in done.output
