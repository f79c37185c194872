from __future__ import annotations

import math
from typing import get_args

import pytest
import torch

from napari_medfreq.engine.options import Measure
from napari_medfreq.engine.uncertainty import Estimate, calibrated, entropy, probabilities, to_logits
from napari_medfreq.io.model_config import Calibration


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


@pytest.mark.parametrize("classes", [1, 4])
def test_a_temperature_moves_no_decision(classes: int) -> None:
    mean = probabilities(3 * torch.randn(2, classes, 9, 9, generator=torch.Generator().manual_seed(0)))
    for temperature in (0.4, 2.5):
        other = calibrated(mean, Calibration(temperature))
        if classes == 1:
            assert torch.equal(other >= 0.5, mean >= 0.5)
            torch.testing.assert_close(other, (torch.logit(mean) / temperature).sigmoid(), atol=1e-4, rtol=0)
        else:
            assert torch.equal(other.argmax(dim=1), mean.argmax(dim=1))
        assert (entropy(other) > entropy(mean)).all() == (temperature > 1)


def test_each_slice_has_its_temperature() -> None:
    mean = torch.full((2, 1, 10, 10), 0.2)
    mean[0, :, :2] = 0.8
    mean[1, :, :5] = 0.8
    found = calibrated(mean, Calibration(1.0, temperature_slope=-0.5))
    expected = [0.8 ** (1 / t) / (0.8 ** (1 / t) + 0.2 ** (1 / t)) for t in (0.2**-0.5, 0.5**-0.5)]
    assert found[:, 0, 0, 0].tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("measure", get_args(Measure))
def test_measures_span_zero_to_one(classes: int, measure: Measure) -> None:
    """Passes that contradict each other completely, and passes that agree completely and surely."""
    corners = torch.eye(classes) if classes > 1 else torch.tensor([[0.0], [1.0]])
    wild, sure = Estimate(measure), Estimate(measure)
    for corner in corners:
        wild.add(corner.view(1, 1, classes, 1, 1))
        sure.add(corners[0].view(1, 1, classes, 1, 1))
    found = [total.result() for total in (sure, wild)]
    spread = [entropy(f) if measure == "entropy" else f[:, -1] for f in found]
    assert spread[0].item() == pytest.approx(0.0, abs=1e-6)
    assert spread[1].item() == pytest.approx(0.0 if measure == "expected-entropy" else 1.0, abs=1e-5)


def test_sums_do_not_grow_with_the_passes() -> None:
    total = Estimate("variance")
    for _ in range(50):
        total.add(torch.rand(4, 1, 1, 8, 8))
    assert sum(t.numel() for t in vars(total)["_sums"].values()) == 2 * 64
