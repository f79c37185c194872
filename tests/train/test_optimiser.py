from __future__ import annotations

import pytest
import torch

from napari_medfreq.nn.mmsnet import MMSNet, MMSNetConfig
from napari_medfreq.train.config import OptimiserConfig
from napari_medfreq.train.optimiser import build_optimisers, moving_average, set_rate


def network(*, freeze: bool = False) -> MMSNet:
    return MMSNet(MMSNetConfig(width=16, adapter_ratio=8, levels=(2,), scales=1, freeze_encoder=freeze))


@pytest.mark.parametrize("matrices", ["adamw", "muon"])
@pytest.mark.parametrize("freeze", [False, True])
def test_every_parameter_that_is_to_learn_is_moved_by_one_optimiser(matrices: str, freeze: bool) -> None:
    model = network(freeze=freeze)
    optimisers = build_optimisers(model, OptimiserConfig(matrices=matrices))  # type: ignore[arg-type]
    moved = [id(p) for o in optimisers for group in o.param_groups for p in group["params"]]
    assert len(moved) == len(set(moved))
    assert set(moved) == {id(p) for p in model.parameters() if p.requires_grad}
    assert len(optimisers) == (2 if matrices == "muon" and not freeze else 1)
    assert all(p.ndim >= 2 for o in optimisers for g in o.param_groups if g["weight_decay"] for p in g["params"])


def test_the_rate_rises_then_falls_to_a_hundredth() -> None:
    optimisers = build_optimisers(network(), OptimiserConfig(rate=2e-3, warmup=0.1, matrices="muon"))
    config = OptimiserConfig(rate=2e-3, warmup=0.1)
    factors = [set_rate(optimisers, config, done / 100) for done in range(101)]
    assert 0 < factors[0] < 0.02
    assert factors[10] == pytest.approx(1.0)
    assert factors[100] == pytest.approx(0.01)
    assert factors[:11] == sorted(factors[:11])
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert [o.param_groups[0]["lr"] for o in optimisers] == pytest.approx([2e-5, 2e-4])


def test_the_average_forgets_the_start_and_then_remembers_long() -> None:
    update, mean, count = moving_average(0.9), torch.full((3,), 1.0), torch.tensor(7)
    zero = torch.zeros(3)
    update([mean, count], [zero, torch.tensor(8)], 0)
    assert torch.allclose(mean, torch.full((3,), 0.1))
    assert int(count) == 8  # what is counted is not averaged
    mean.fill_(1.0)
    update([mean], [zero], torch.tensor(10_000))
    assert torch.allclose(mean, torch.full((3,), 0.9))


@pytest.mark.parametrize("matrices", ["adamw", "muon"])
def test_a_step_lowers_the_loss(matrices: str) -> None:
    model = network().eval()
    optimisers = build_optimisers(model, OptimiserConfig(matrices=matrices))  # type: ignore[arg-type]
    image = torch.rand(2, 3, 32, 32)
    losses = []
    for _ in range(4):
        loss = (model(image) - 1).square().mean()
        loss.backward()
        losses.append(float(loss.detach()))
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()
    assert losses[-1] < losses[0]
