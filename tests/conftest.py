"""What every test may use: the folder of real data, a fixed seed, and a watch over forgotten windows."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[1]


def data_path() -> Path:
    """The folder that MEDFREQ_DATA names, else the shared folder beside the checkout."""
    return Path(os.environ.get("MEDFREQ_DATA") or REPOSITORY.parent / "shared" / "data")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real images; tests that need it are skipped where it is absent."""
    folder = data_path()
    if not folder.is_dir():
        pytest.skip(f"no real images at {folder}: set MEDFREQ_DATA to the folder that holds them")
    return folder


@pytest.fixture(scope="session")
def repository() -> Path:
    """The top of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one whole model, ``tiny``: a small MMSNet, three colours, one label, random weights."""
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


@pytest.fixture(scope="session")
def synthesis_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small AE-GAN, ``tiny-synthesis``: random weights around the mean of the inputs; baselines."""
    import torch
    from safetensors.torch import save

    from napari_medfreq.io.cards import Card
    from napari_medfreq.io.models import InputSpec, ModelFolder, write_model
    from napari_medfreq.nn.aegan import AEGANConfig, Synthesis
    from napari_medfreq.train.synthesis.baselines import Baselines, UNetSynthesis
    from napari_medfreq.train.synthesis.export import BESIDE, baselines_file

    torch.manual_seed(0)
    config = AEGANConfig(width=4, blocks=1, slices=3, shortcut=True, dropout=0.5)
    quantiles = np.linspace(0, 1, 257, dtype=np.float32)[None].repeat(4, 0)
    fitted = Baselines(np.full((4, 3), 1 / 3, np.float32), np.zeros(4, np.float32), quantiles)
    model = ModelFolder(
        path=tmp_path_factory.mktemp("synthesis") / "tiny-synthesis",
        name="tiny-synthesis",
        title="Tiny synthesis",
        version="1.0",
        task="nothing",
        network=config.to_dict(),
        input=InputSpec(config.contrasts, 3, 32, normalisation="percentile"),
        labels=(),
        card=Card("Tiny synthesis", "Random weights.", "CC0", "Tests.", "Anything else.", text="# Nothing"),
        kind="synthesis",
    )
    network = Synthesis(config)
    network.start_from(*fitted.in_signed_units())
    torch.nn.init.normal_(network.head.weight, std=1e-3)
    beside = {BESIDE: baselines_file(fitted, UNetSynthesis(config))}
    return write_model(model, save(network.state_dict()), beside).path


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """Give each test the same random numbers whatever ran before it."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - libraries still draw from the global generator
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(autouse=True)
def no_forgotten_windows(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a `gui` test that leaves a window open: a dock that outlives its viewer keeps its memory and threads."""
    if request.node.get_closest_marker("gui") is None:
        yield
        return
    qapp = request.getfixturevalue("qapp")
    before = set(qapp.topLevelWidgets())
    yield
    from qtpy.QtCore import QEvent

    # `deleteLater` is carried out by the event loop, which nobody runs any more.
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    qapp.processEvents()
    left = [widget for widget in qapp.topLevelWidgets() if widget not in before and widget.isVisible()]
    assert not left, f"windows left open: {left}"
