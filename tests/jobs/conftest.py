from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_medfreq.jobs.host import ChildExecutor
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVED = Path(__file__).parent / "served"
# The requests must have the same import name in both processes.
sys.path.insert(0, str(SERVED))

from asking import Listener  # noqa: E402 - lies in the folder that was just named


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of the module that answers, importable in the child."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(SERVED), *filter(None, [os.environ.get("PYTHONPATH")])]))
    return "served_requests"


@pytest.fixture
def executor(tmp_path: Path, served: str) -> Iterator[ChildExecutor]:
    with ChildExecutor(tmp_path, served) as made:
        yield made


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small real model with random weights: one contrast, one label."""
    import torch
    from safetensors.torch import save_file

    from napari_medfreq.io.models import Card, InputSpec, LabelName, ModelFolder, write_model
    from napari_medfreq.nn.mmsnet import MMSNet, MMSNetConfig

    torch.manual_seed(0)
    config = MMSNetConfig(in_channels=1, classes=1, width=16, adapter_ratio=8, scales=1, frequencies=1)
    network = MMSNet(config).eval()
    folder = tmp_path_factory.mktemp("models") / "tiny"
    model = ModelFolder(
        folder,
        folder.name,
        "Tiny",
        "1",
        "lesion",
        config.to_dict(),
        InputSpec(("t1",), size=64),
        (LabelName(1, "lesion", "#e8a33d"),),
        Card("Tiny", "Random weights.", "CC0", "tests", "patients"),
    )
    return write_model(model, lambda path: save_file(network.state_dict(), path)).path


@pytest.fixture
def scan() -> Volume:
    """A small volume with a header that cannot be pickled."""
    data = np.random.default_rng(0).random((6, 50, 60), dtype=np.float32)
    return Volume(data, np.diag([1.0, 1.0, 3.0, 1.0]), channels=("t1",), name="scan", header={"reader": lambda: None})
