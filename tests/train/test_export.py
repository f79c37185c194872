from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_medfreq.engine.options import SegmentOptions
from napari_medfreq.errors import DatasetError
from napari_medfreq.io.files import read
from napari_medfreq.io.models import open_model, verify
from napari_medfreq.jobs.inline import InlineExecutor
from napari_medfreq.jobs.messages import SegmentRequest
from napari_medfreq.train.export import export_run, load_run
from napari_medfreq.train.loop import train
from napari_medfreq.train.networks import UNetBaseline

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_run_becomes_a_model_that_segments(finished: Any, tmp_path: Path) -> None:
    export_run(finished.folder, tmp_path / "discs", "final")
    model = open_model(str(tmp_path / "discs"))
    verify(model)
    assert (model.name, model.title, model.labels[0].name) == ("discs", "Discs", "disc")
    assert model.input.modalities == ("drawing",)
    assert model.card.licence == "CC0"
    assert "96 images of 32 pixels, then 48 images of 48 pixels" in model.card.text
    image = read(finished.data / "image0.png")[0]
    request = SegmentRequest(image, str(model.path), SegmentOptions(device="cpu"))
    with InlineExecutor() as executor:
        result = executor.submit(request).result()
    truth = read(finished.data / "mask0.png")[0].data > 0
    found = result.labels.data > 0
    assert 2 * np.count_nonzero(found & truth) / (found.sum() + truth.sum()) > 0.5


def test_weights_are_the_averaged_ones_in_half_precision(finished: Any, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    model = export_run(finished.folder, tmp_path / "discs")
    state = load_file(model.weights)
    _, network = load_run(finished.folder, "best")
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            assert state[name].dtype == torch.float16
            assert torch.allclose(state[name].float(), tensor, rtol=1e-3, atol=1e-6)
    assert not network.training


def test_a_run_without_a_checkpoint_says_so(tmp_path: Path, finished: Any) -> None:
    (tmp_path / "config.toml").write_bytes(finished.config.read_bytes())
    with pytest.raises(DatasetError, match="has no checkpoint 'best' yet; let it train on"):
        export_run(tmp_path, tmp_path / "model")
    with pytest.raises(DatasetError, match="must be best or final, not 'last'"):
        load_run(finished.folder, "last")  # type: ignore[arg-type]
    assert not (tmp_path / "model").exists()


def test_the_baseline_is_loaded_but_not_shipped(
    tmp_path: Path, drawings: Path, config_text: Callable[..., str]
) -> None:
    config = tmp_path / "unet.toml"
    config.write_text(config_text(((32, 8),), architecture="monai-unet"))
    train(config, tmp_path / "run", drawings, accelerator="cpu")
    assert isinstance(load_run(tmp_path / "run")[1], UNetBaseline)
    with pytest.raises(DatasetError, match="trains the baseline monai-unet, which is no model to ship"):
        export_run(tmp_path / "run", tmp_path / "model")
