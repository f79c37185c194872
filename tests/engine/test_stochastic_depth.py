from __future__ import annotations

import pytest
import torch

from napari_medfreq.engine.stochastic_depth import branches_scaled, draw_branches
from napari_medfreq.nn.mit import MiTConfig, MixTransformer


@pytest.fixture
def encoder() -> MixTransformer:
    torch.manual_seed(0)
    return MixTransformer(MiTConfig("b0", 1, drop_path=0.6)).eval().requires_grad_(False)


def test_branches_are_drawn_by_the_seed_at_the_rates_of_training(encoder: MixTransformer) -> None:
    factors = draw_branches(encoder, 4000, seed=2)
    assert factors.shape == (4000, 8, 2)
    assert torch.equal(factors, draw_branches(encoder, 4000, seed=2))
    rates = [block.drop_path for stage in encoder.stages for block in stage.blocks]
    assert (factors == 0).float().mean(dim=(0, 2)).tolist() == pytest.approx(rates, abs=0.03)
    assert factors.mean(dim=(0, 2)).tolist() == pytest.approx([1.0] * 8, abs=0.05)


def test_a_branch_that_is_left_out_adds_nothing(encoder: MixTransformer) -> None:
    block = encoder.stages[0].blocks[0]
    tokens = torch.rand(1, 8, 8, 32)
    with branches_scaled(block, torch.zeros(1, 2)):
        assert torch.equal(block(tokens), tokens)
    with branches_scaled(block, torch.tensor([[1.0, 0.0]])):
        attended = tokens + block.attention.output(block.attention(block.norm_attention(tokens)))
        torch.testing.assert_close(block(tokens), attended)


def test_weights_come_back_even_after_a_failure(encoder: MixTransformer) -> None:
    before = {name: p.clone() for name, p in encoder.named_parameters()}
    with pytest.raises(RuntimeError), branches_scaled(encoder, torch.full((8, 2), 3.0)):
        raise RuntimeError("stopped")
    assert all(torch.equal(p, before[name]) for name, p in encoder.named_parameters())
