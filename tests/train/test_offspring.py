from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file

from napari_medfreq.errors import ModelError
from napari_medfreq.io.model_config import Calibration
from napari_medfreq.io.models import open_model, read_model, verify
from napari_medfreq.train.blending import Figure
from napari_medfreq.train.offspring import CORRECTIONS, Lineage, free_name, place_of, raised, write_offspring

if TYPE_CHECKING:
    from pathlib import Path

    from napari_medfreq.io.model_config import ModelFolder


@pytest.fixture
def parent(models_folder: Path) -> ModelFolder:
    tiny = open_model(models_folder / "tiny")
    return replace(tiny, version="1.9", calibration=Calibration(0.8, cases=40, dice_error=0.1))


def lineage(parent: ModelFolder, *reasons: str) -> Lineage:
    earlier = {"polyps": Figure(84, 0.808, 0.807)}
    return Lineage(parent, "my review", 16, 0.75, 48, Figure(4, 0.41, 0.72), earlier, reasons)


def test_versions_and_names_are_counted_up() -> None:
    assert [raised(v) for v in ("1", "1.9", "2.0-beta", "final")] == ["2", "1.10", "2.1-beta", "final.1"]
    assert free_name("mix", {"mix", "mix-review1"}) == "mix-review2"
    assert free_name("mix-review1", {"mix", "mix-review1"}) == "mix-review2"
    assert free_name("mix", set()) == "mix-review1"


def test_a_name_that_is_taken_is_never_replaced(models_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDFREQ_MODELS", str(models_folder))
    with pytest.raises(ModelError, match="There is a model 'tiny' already, and it is kept"):
        place_of("tiny")
    assert free_name("tiny") == "tiny-review1"
    assert place_of(str(models_folder / "other")) == models_folder / "other"
    assert place_of("other").name == "other"
    assert place_of("other").parent.name == "models"


def test_the_card_says_where_a_model_came_from(parent: ModelFolder, tmp_path: Path) -> None:
    weights = load_file(parent.weights)
    written = write_offspring(tmp_path / "tiny-review1", "tiny-review1", weights, lineage(parent))
    model = read_model(tmp_path / "tiny-review1")
    verify(model)
    assert (model.name, model.version) == ("tiny-review1", "1.10")
    assert model.sha256 == written.sha256 != parent.sha256
    assert model.labels == parent.labels
    assert model.input == parent.input
    card = model.card
    assert (card.licence, card.not_for, card.intended_use) == (
        parent.card.licence,
        parent.card.not_for,
        parent.card.intended_use,
    )
    assert card.metrics[CORRECTIONS] == {"n": 4, "dice": 0.72, "dice_before": 0.41}
    assert card.metrics["polyps"]["dice"] == 0.807
    assert any("16 corrected images of my review" in entry for entry in card.data)
    for fact in ("**tiny**", "version 1.9", parent.sha256, "75 % new", "0.410 before, 0.720 after", "48 images"):
        assert fact in card.text
    assert "not better" not in card.text
    assert model.calibration is not None
    assert (model.calibration.temperature, model.calibration.dice_error) == (0.8, None)
    assert all(
        tensor.dtype != torch.float32 for tensor in load_file(model.weights).values() if tensor.is_floating_point()
    )


def test_a_model_that_is_not_better_says_so_and_a_grandchild_does_not_repeat_its_forebears(
    parent: ModelFolder, tmp_path: Path
) -> None:
    weights = load_file(parent.weights)
    reason = "On polyps Dice fell from 0.808 to 0.700."
    child = write_offspring(tmp_path / "a-review1", "a-review1", weights, lineage(parent, reason))
    assert f"not better than the model that it came from:\n{reason}" in child.card.text
    grandchild = write_offspring(tmp_path / "a-review2", "a-review2", weights, lineage(child))
    assert grandchild.card.text.count("came from **") == 2
    assert grandchild.card.title == "Tiny, corrected (a-review2)"
    assert grandchild.version == "1.11"
    assert reason not in grandchild.card.text.partition("## What is said of")[0]
