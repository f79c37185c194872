from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from napari_medfreq.errors import DatasetError, ModelError
from napari_medfreq.io.models import read_model, verify
from napari_medfreq.train.blending import case_dice
from napari_medfreq.train.corrections import pack_corrections, read_corrections
from napari_medfreq.train.export import export_run
from napari_medfreq.train.fine_tuning import LearnConfig
from napari_medfreq.train.learn import Task, learn, load_network
from napari_medfreq.train.offspring import CORRECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_medfreq.io.model_config import ModelFolder

    from .conftest import FinishedRun

QUICK = LearnConfig(steps=24, batch=8, rate=3e-3, ema=0.8)


def draw(folder: Path, count: int, seed: int) -> Path:
    """Draw discs on a lit ground: what a model of discs on a dark one gets wrong."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:40, :52]
    for number in range(count):
        centre, radius = rng.uniform((14, 16), (26, 36)), rng.uniform(7, 11)
        mask = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < radius**2
        image = rng.normal(140, 12, (40, 52, 3)) + 60 * mask[..., None]
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / "images" / f"{number}.png")
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / "masks" / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def parent(finished: FinishedRun, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return export_run(finished.folder, tmp_path_factory.mktemp("parent") / "discs")


@pytest.fixture(scope="module")
def corrections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("corrected") / "lit", 10, 5)


def at(folder: Path) -> Callable[[str], Path]:
    return lambda _: folder


def dice_of(model: ModelFolder, source: Path) -> float:
    found = read_corrections(source)
    packed = pack_corrections((*found.train, *found.held_out), model)
    return float(np.mean(list(case_dice(load_network(model), packed, torch.device("cpu")).values())))


def test_a_better_model_becomes_a_new_version(
    parent: ModelFolder, corrections: Path, drawings: Path, tmp_path: Path
) -> None:
    task = Task(corrections, parent, tmp_path / "models" / "discs-review1", (drawings / "index.csv",), QUICK)
    outcome = learn(task, at(tmp_path / "run"), accelerator="cpu")
    assert outcome is not None
    assert outcome.better, outcome.reasons
    assert (outcome.corrections, outcome.held_out.n) == (8, 2)
    assert outcome.held_out.gain > 0.1
    assert set(outcome.earlier) == {"discs"}
    model = read_model(tmp_path / "models" / "discs-review1")
    verify(model)
    assert model.card.metrics[CORRECTIONS]["dice"] == round(outcome.held_out.after, 4)
    unseen = draw(tmp_path / "unseen", 12, 6)
    assert dice_of(model, unseen) > dice_of(parent, unseen) + 0.1
    events = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    kinds = [event["kind"] for event in events]
    assert kinds[:2] == ["start", "before"]
    assert kinds[-1] == "outcome"
    assert {"step", "blend"} < set(kinds)
    assert json.loads((tmp_path / "run" / "outcome.json").read_text()) == json.loads(json.dumps(outcome.to_dict()))


def test_a_model_that_is_not_better_is_not_added(parent: ModelFolder, corrections: Path, tmp_path: Path) -> None:
    ruin = replace(QUICK, steps=2, rate=1e-12)
    outcome = learn(Task(corrections, parent, tmp_path / "models" / "same", (), ruin), at(tmp_path / "run"))
    assert outcome is not None
    assert not outcome.better
    assert "did not rise" in outcome.reasons[0]
    assert not (tmp_path / "models").exists()
    model = read_model(tmp_path / "run" / "model")
    assert outcome.model == str(model.path)
    assert "It is not better" in model.card.text


def test_a_stopped_run_leaves_no_model_and_goes_on(parent: ModelFolder, corrections: Path, tmp_path: Path) -> None:
    task = Task(corrections, parent, tmp_path / "models" / "new", (), replace(QUICK, steps=8))
    answers = iter([False, True])
    assert learn(task, at(tmp_path / "run"), stop=lambda: next(answers)) is None
    assert not (tmp_path / "models").exists()
    told: list[int] = []
    outcome = learn(task, at(tmp_path / "run"), report=lambda report: told.append(report.samples))
    assert outcome is not None
    assert told == [40]
    with pytest.raises(DatasetError, match="another config"):
        learn(replace(task, config=replace(QUICK, seed=7)), at(tmp_path / "run"))


def test_the_run_folder_follows_what_is_learned(parent: ModelFolder, corrections: Path, tmp_path: Path) -> None:
    asked: list[str] = []

    def refuse(fingerprint: str) -> Path:
        asked.append(fingerprint)
        raise KeyboardInterrupt

    for config in (QUICK, QUICK, replace(QUICK, seed=1)):
        with pytest.raises(KeyboardInterrupt):
            learn(Task(corrections, parent, tmp_path / "new", (), config), refuse)
    assert asked[0] == asked[1] != asked[2]


def test_damaged_weights_are_refused(parent: ModelFolder, corrections: Path, tmp_path: Path) -> None:
    wrong = replace(parent, sha256="0" * 64)
    with pytest.raises(ModelError, match="do not have the hash"):
        learn(Task(corrections, wrong, tmp_path / "new", (), QUICK), at(tmp_path / "run"))
