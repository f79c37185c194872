from __future__ import annotations

import math

import pytest
import torch

from napari_medfreq.nn.aegan_losses import autoencoder_loss, self_representation, taken_for


def test_equal_features_are_no_distance_apart() -> None:
    levels = [torch.randn(2, 8, 6, 6), torch.randn(2, 4, 12, 12)]
    assert self_representation(levels, levels).abs() < 1e-6


def test_the_divergence_is_that_of_the_formula_whatever_the_size() -> None:
    learned, found = torch.tensor([2.0, 0.0, -1.0]), torch.tensor([0.0, 1.0, 0.5])
    p, q = learned.softmax(0), found.softmax(0)
    expected = float((p * (p / q).log()).sum())
    for side in (2, 16):
        one, other = (v.view(1, 3, 1, 1).expand(2, -1, side, side) for v in (learned, found))
        assert float(self_representation([one], [other])) == pytest.approx(expected, rel=1e-5)
        assert float(self_representation([one, one], [other, other])) == pytest.approx(2 * expected, rel=1e-5)


def test_only_the_synthesis_network_is_moved() -> None:
    learned, found = (torch.randn(1, 4, 3, 3, requires_grad=True) for _ in range(2))
    self_representation([learned], [found]).backward()
    assert learned.grad is None
    assert found.grad is not None
    assert found.grad.abs().sum() > 0


def test_an_undecided_discriminator_costs_log_2() -> None:
    assert float(taken_for(torch.zeros(2, 1, 3, 3), real=True)) == pytest.approx(math.log(2))
    assert float(taken_for(torch.full((1, 1, 2, 2), 9.0), real=True)) < 1e-3
    assert float(taken_for(torch.full((1, 1, 2, 2), 9.0), real=False)) > 8


def test_the_autoencoders_loss_weighs_real_and_made_alike() -> None:
    undecided, target = torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 8, 8)
    loss = autoencoder_loss(undecided, torch.zeros(2, 1, 2, 2), target, target + 0.01, weight=100.0)
    assert float(loss) == pytest.approx(math.log(2) + 1.0, rel=1e-5)
    sure = autoencoder_loss(undecided + 9, torch.full((2, 1, 2, 2), -9.0), target, target, weight=100.0)
    assert float(sure) < 1e-3
