"""A small model with random weights, and a way to run the program as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one whole model, ``tiny``: B0, three channels, one label, random weights."""
    import torch
    from safetensors.torch import save

    from napari_medfreq.io.cards import Card
    from napari_medfreq.io.models import InputSpec, LabelName, ModelFolder, write_model
    from napari_medfreq.nn.mmsnet import MMSNet, MMSNetConfig

    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    config = MMSNetConfig(width=16, scales=0, prompt=None, adapter_ratio=None, head_dropout=0.5)
    card = Card("Tiny", "Random weights.", "CC0", "Tests.", "Anything else.", text="# Nothing\n\nto see.")
    model = ModelFolder(
        path=folder / "tiny",
        name="tiny",
        title="Tiny",
        version="1.0",
        task="nothing",
        network=config.to_dict(),
        input=InputSpec(channels=("red", "green", "blue"), size=64),
        labels=(LabelName(1, "thing", "#e8a33d"),),
        card=card,
    )
    state = {name: tensor.contiguous() for name, tensor in MMSNet(config).state_dict().items()}
    write_model(model, save(state))
    return folder


@pytest.fixture
def program(tmp_path: Path, models_folder: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``napari-medfreq`` in an empty folder, in a process of its own, with the tiny model at hand."""

    def run(*words: object, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "MEDFREQ_MODELS": str(models_folder), "COLUMNS": "200", **variables}
        command = [sys.executable, "-c", "from napari_medfreq.cli.main import app; app()", *map(str, words)]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
        )

    return run
