from __future__ import annotations

import math

import pytest
import torch

from napari_medfreq.engine import monte_carlo
from napari_medfreq.engine.monte_carlo import entropy, mean_probabilities, probabilities, to_logits
from napari_medfreq.nn.mmsnet import MMSNet, MMSNetConfig


@pytest.fixture(scope="module", params=[1, 3])
def network(request: pytest.FixtureRequest) -> MMSNet:
    torch.manual_seed(0)
    config = MMSNetConfig(classes=request.param, width=16, adapter_ratio=8, scales=1, frequencies=1, head_dropout=0.4)
    return MMSNet(config).eval().requires_grad_(False)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("chunk", [1, 1 << 24])
def test_passes_are_those_of_a_network_with_masked_channels(
    network: MMSNet, images: torch.Tensor, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference runs the head once a pass on features that were masked by hand."""
    monkeypatch.setattr(monte_carlo, "_CHUNK", chunk)
    masks = network.pass_masks(7, seed=3)
    features = network.features(images)
    passes = [probabilities(network.classify(features * mask[:, None, None])) for mask in masks]
    expected = torch.stack(passes).mean(dim=0)
    torch.testing.assert_close(mean_probabilities(network, images, masks, lambda: None), expected, atol=1e-5, rtol=0)


def test_the_encoder_runs_once_and_is_asked_between_passes(
    network: MMSNet, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monte_carlo, "_CHUNK", 1)
    runs, checks = [], []
    handle = network.encoder.register_forward_hook(lambda *_: runs.append(1))
    try:
        mean_probabilities(network, images, network.pass_masks(6, seed=0), lambda: checks.append(1))
    finally:
        handle.remove()
    assert len(runs) == 1
    assert len(checks) == 7


def test_without_passes_nothing_is_dropped(network: MMSNet, images: torch.Tensor) -> None:
    plain = mean_probabilities(network, images, None, lambda: None)
    torch.testing.assert_close(plain, probabilities(network.head(network.features(images))))
    assert torch.equal(plain, mean_probabilities(network, images, None, lambda: None))


@pytest.mark.parametrize("classes", [1, 4])
def test_logits_of_probabilities_give_them_back(classes: int) -> None:
    mean = probabilities(3 * torch.randn(2, classes, 5, 6))
    torch.testing.assert_close(probabilities(to_logits(mean)), mean, atol=1e-5, rtol=0)


def test_certain_probabilities_stay_finite() -> None:
    assert torch.isfinite(to_logits(torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1))).all()


def test_entropy_is_zero_when_sure_and_one_when_not() -> None:
    for classes in (2, 5):
        sure = torch.zeros(1, classes, 1, 1)
        sure[:, 0] = 1.0
        assert entropy(sure).item() == 0.0
        assert entropy(torch.full((1, classes, 1, 1), 1 / classes)).item() == pytest.approx(1.0)
    assert entropy(torch.full((1, 1, 1, 1), 0.5)).item() == pytest.approx(1.0)
    p = 0.2
    expected = -(p * math.log(p) + (1 - p) * math.log(1 - p)) / math.log(2)
    assert entropy(torch.full((1, 1, 1, 1), p)).item() == pytest.approx(expected, rel=1e-5)
