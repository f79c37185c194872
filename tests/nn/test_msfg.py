from __future__ import annotations

import io

import pytest
import torch

from napari_medfreq.nn.msfg import FrequencyChannelAttention, Guidance, MultiscaleFrequencyGuidance
from napari_medfreq.transforms.dct import GRID, dct_basis


@pytest.mark.parametrize("frequencies", [1, 2, 4, 8, 16, 32])
def test_each_coefficient_has_a_vote_of_its_own(frequencies: int) -> None:
    attention = FrequencyChannelAttention(16, frequencies)
    feature = torch.randn(2, 16, 20, 20)
    votes = attention.per_frequency(feature)
    assert votes.shape == (2, frequencies, 16)
    for one in range(frequencies):
        for other in range(one):
            assert not torch.allclose(votes[:, one], votes[:, other], atol=1e-6)
    # They start with equal weights, and the softmax keeps them a mean.
    assert torch.allclose(attention.attention(feature), votes.mean(dim=1), atol=1e-6)


def test_the_pools_see_the_coefficients_of_the_map() -> None:
    attention = FrequencyChannelAttention(3, 8)
    feature = torch.randn(1, 3, GRID, GRID)
    weighted = feature[:, :, None] * (dct_basis(8).float() * GRID)
    pools = (weighted.mean((-1, -2)), weighted.amax((-1, -2)), weighted.amin((-1, -2)))
    expected = sum(attention.excite(attention.squeeze(pool.transpose(1, 2)).relu()) for pool in pools)
    assert torch.allclose(attention.per_frequency(feature), expected, atol=1e-5)
    assert torch.allclose(weighted.mean((-1, -2))[:, :, 0], feature.mean((-1, -2)), atol=1e-6)


def test_the_basis_is_kept_once_and_never_saved() -> None:
    attention = FrequencyChannelAttention(256, 32)
    assert attention.basis.numel() == 32 * GRID**2
    assert "basis" not in attention.state_dict()
    file = io.BytesIO()
    torch.save(attention.state_dict(), file)
    assert file.tell() < 4.5 * sum(p.numel() for p in attention.parameters()) + 10_000


def test_the_spatial_mask_learns_from_the_first_step() -> None:
    guidance = Guidance(32, 1, 4)
    guidance(torch.randn(2, 32, 16, 16)).square().sum().backward()
    for parameter in (guidance.mask.weight, guidance.foreground, guidance.background):
        assert parameter.grad is not None
        assert float(parameter.grad.abs().sum()) > 1e-4


def test_the_mask_steers_foreground_and_background_apart() -> None:
    guidance = Guidance(32, 1, 1).eval()
    feature = torch.randn(1, 32, 16, 16)
    torch.nn.init.zeros_(guidance.mask.weight)
    answers = []
    for bias, flow in ((20.0, guidance.foreground), (-20.0, guidance.background)):
        torch.nn.init.constant_(guidance.mask.bias, bias)
        expected = guidance.combine(flow * guidance.channel(guidance.decompose(feature)))
        answers.append(guidance(feature))
        assert torch.allclose(answers[-1], expected, atol=1e-6)
    assert not torch.allclose(*answers)


@pytest.mark.parametrize("size", [(50, 50), (17, 9), (8, 8), (1, 23), (1, 1)])
@pytest.mark.parametrize("scales", [1, 3])
def test_any_size_comes_back_as_it_was(size: tuple[int, int], scales: int) -> None:
    guidance = MultiscaleFrequencyGuidance(32, scales, 2).eval()
    feature = torch.randn(2, 32, *size)
    guided = guidance(feature)
    assert guided.shape == feature.shape
    assert guided.isfinite().all()


def test_scales_are_pooled_unless_too_little_would_be_left() -> None:
    third = Guidance(32, 3, 1).eval()
    assert third(torch.randn(1, 32, 64, 64)).shape[-2:] == (16, 16)
    assert third(torch.randn(1, 32, 20, 20)).shape[-2:] == (10, 10)
    assert third(torch.randn(1, 32, 15, 15)).shape[-2:] == (15, 15)


def test_no_scale_is_no_guidance() -> None:
    with pytest.raises(ValueError, match="at least one scale"):
        MultiscaleFrequencyGuidance(32, 0)
