"""A small model with random weights, written as a shipped one is, and a dock in a real viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_medfreq.io.models import Card, InputSpec, LabelName, ModelFolder, write_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def small_model(folder: Path, channels: tuple[str, ...], slices: int = 1) -> ModelFolder:
    """Write a real network, as small as it can be, with random weights."""
    import torch
    from safetensors.torch import save_file

    from napari_medfreq.nn.mmsnet import MMSNet, MMSNetConfig

    torch.manual_seed(0)
    config = MMSNetConfig(
        in_channels=len(channels) * slices, classes=1, width=16, adapter_ratio=8, scales=1, frequencies=1
    )
    network = MMSNet(config).eval()
    card = Card("Small model", "Random weights.", "CC0", "tests", "patients", ("noise",), {"noise": {"dice": 0.5}})
    model = ModelFolder(
        folder,
        folder.name,
        "Small model",
        "1",
        "lesion",
        config.to_dict(),
        InputSpec(channels, slices=slices, size=64),
        (LabelName(1, "lesion", "#e8a33d"),),
        card,
    )
    return write_model(model, lambda path: save_file(network.state_dict(), path))


@pytest.fixture(scope="session")
def rgb_model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """Segments photographs."""
    return small_model(tmp_path_factory.mktemp("models") / "small-rgb", ("red", "green", "blue"))


@pytest.fixture(scope="session")
def volume_model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """Segments volumes slice by slice."""
    return small_model(tmp_path_factory.mktemp("models") / "small-volume", ("t1",))


@pytest.fixture(scope="session")
def contrasts_model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """Wants two contrasts."""
    return small_model(tmp_path_factory.mktemp("models") / "small-contrasts", ("t1", "flair"))


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., object]) -> object:
    """A real viewer."""
    return make_napari_viewer()
