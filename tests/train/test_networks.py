from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from napari_medfreq.engine.weights import load_network
from napari_medfreq.errors import DatasetError
from napari_medfreq.io.models import open_model
from napari_medfreq.train.config import TrainConfig, read_config
from napari_medfreq.train.networks import UNetBaseline, build_network

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def mix_config() -> TrainConfig:
    return read_config(CONFIGS / "mmsnet-mix-b0.toml")


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (16, 90)])
@pytest.mark.parametrize("classes", [1, 3])
def test_the_baseline_takes_any_size_as_ours_does(size: tuple[int, int], classes: int) -> None:
    network = UNetBaseline(2, classes).eval()
    image = torch.rand(2, 2, *size)
    with torch.inference_mode():
        assert network(image).shape == (2, classes, *size)
        levels = network.supervise(image)
    assert [tuple(region.shape) for region in levels.regions] == [(2, classes, *size)]
    assert levels.boundaries == []


def test_the_baseline_is_as_large_as_it_says() -> None:
    count = sum(p.numel() for p in UNetBaseline(3, 1).parameters())
    assert count / 1e6 == pytest.approx(1.6, abs=0.05)


def test_a_run_can_start_from_the_weights_of_a_model(mix_config: TrainConfig) -> None:
    network = build_network(replace(mix_config, start="mmsnet-mix-b0"))
    shipped = load_network(open_model("mmsnet-mix-b0"))
    for name, tensor in shipped.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor), name


@pytest.mark.parametrize("start", ["no-such-model", "mmsnet-hippocampus"])
def test_a_start_that_does_not_fit_is_refused_by_name(mix_config: TrainConfig, start: str) -> None:
    with pytest.raises(DatasetError, match=f"cannot start from '{start}'"):
        build_network(replace(mix_config, start=start))
