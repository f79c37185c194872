from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_medfreq.errors import DatasetError, ModelError
from napari_medfreq.io.models import find_models, open_model, verify
from napari_medfreq.train.synthesis.baselines import UNetSynthesis
from napari_medfreq.train.synthesis.export import BESIDE, export_run, load_baselines, load_fitted, load_run
from napari_medfreq.train.synthesis.loop import train

from .conftest import CONFIG, Finished

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def unet(persons: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the baseline."""
    place = tmp_path_factory.mktemp("unet")
    text = CONFIG.replace('name = "blobs"', 'name = "unet"\narchitecture = "monai-unet"').replace("480", "16")
    (place / "unet.toml").write_text(text, encoding="utf-8")
    return train(place / "unet.toml", place / "run", persons, accelerator="cpu")


def test_a_run_becomes_a_model_with_its_baselines(finished: Finished, unet: Path, tmp_path: Path) -> None:
    model = export_run(finished.folder, tmp_path / "blobs", unet)
    verify(model)
    again = open_model(tmp_path / "blobs", kind="synthesis")
    assert again.kind == "synthesis"
    assert again.input.channels == ("t1", "t2", "flair")
    assert "percentile" in again.card.text
    beside = load_baselines(again)
    assert beside is not None
    fitted, network = beside
    np.testing.assert_array_equal(fitted.weights, load_fitted(finished.folder).weights)
    assert isinstance(network, UNetSynthesis)
    inputs = torch.rand(1, 2, 3, 32, 32)
    whole = load_run(unet)[1](inputs, torch.tensor([1]))
    torch.testing.assert_close(network(inputs, torch.tensor([1])), whole, atol=2e-2, rtol=2e-2)


def test_models_of_both_kinds_are_told_apart(
    finished: Finished, tmp_path: Path, models_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_run(finished.folder, tmp_path / "blobs")
    monkeypatch.setenv("MEDFREQ_MODELS", str(tmp_path))
    assert "blobs" not in [model.name for model in find_models()]
    assert "blobs" in [model.name for model in find_models(kind="synthesis")]
    with pytest.raises(ModelError, match="model for synthesis, not for segmentation"):
        open_model("blobs")
    assert load_baselines(open_model("blobs", kind="synthesis"))[1] is None  # type: ignore[index]


def test_what_cannot_be_exported_says_why(finished: Finished, unet: Path, persons: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="trains the baseline"):
        export_run(unet, tmp_path / "model")
    with pytest.raises(DatasetError, match="not the run of a U-Net"):
        export_run(finished.folder, tmp_path / "model", finished.folder)
    stopped = train(finished.config, tmp_path / "stopped", persons, accelerator="cpu", stop=lambda: True)
    with pytest.raises(DatasetError, match="has not ended"):
        export_run(stopped, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_model_without_or_with_damaged_baselines(finished: Finished, tmp_path: Path) -> None:
    model = export_run(finished.folder, tmp_path / "blobs")
    (model.path / BESIDE).write_bytes(b"nonsense")
    with pytest.raises(ModelError, match="Fetch the model again"):
        load_baselines(model)
    (model.path / BESIDE).unlink()
    assert load_baselines(model) is None
