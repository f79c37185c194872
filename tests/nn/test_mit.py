from __future__ import annotations

import pytest
import torch

from napari_medfreq.nn.mit import Attention, MiTConfig, MixTransformer

MILLIONS = {"b0": 3.32, "b1": 13.15, "b2": 24.20, "b3": 44.07, "b4": 60.84, "b5": 81.44}


@pytest.mark.parametrize("variant", MILLIONS)
def test_parameters_are_as_many_as_published(variant: str) -> None:
    with torch.device("meta"):
        encoder = MixTransformer(MiTConfig(variant))  # type: ignore[arg-type]
    assert sum(p.numel() for p in encoder.parameters()) / 1e6 == pytest.approx(MILLIONS[variant], abs=0.005)


@pytest.mark.parametrize("size", [(64, 64), (33, 47), (8, 8), (1, 40), (1, 1)])
def test_any_size_gives_maps_of_a_quarter_to_a_32nd(size: tuple[int, int]) -> None:
    encoder = MixTransformer(MiTConfig("b0")).eval()
    maps = encoder(torch.rand(2, 3, *size))
    expected = size
    for stage, (feature, step) in enumerate(zip(maps, (4, 2, 2, 2), strict=True)):
        expected = tuple(-(-length // step) for length in expected)
        assert feature.shape == (2, encoder.config.widths[stage], *expected)
        assert feature.isfinite().all()


def test_an_unknown_variant_is_named() -> None:
    with pytest.raises(ValueError, match="'b6' is not one of b0"):
        MiTConfig("b6")  # type: ignore[arg-type]


def test_stochastic_depth_keeps_the_mean_and_is_off_in_use() -> None:
    encoder = MixTransformer(MiTConfig("b0", drop_path=0.5))
    block = encoder.stages[3].blocks[1]
    assert block.drop_path == 0.5
    assert encoder.stages[0].blocks[0].drop_path == 0.0
    branch = torch.ones(4000, 1, 1, 1)
    dropped = block.train()._dropped(branch)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.1)
    assert block.eval()._dropped(branch) is branch


def test_attention_over_all_tokens_is_softmax_of_products() -> None:
    attention = Attention(8, 2, 1).double()
    tokens = torch.randn(1, 3, 4, 8, dtype=torch.float64)
    flat = tokens.flatten(1, 2)
    query = attention.query(flat).unflatten(-1, (2, 4)).transpose(1, 2)
    key, value = (part.unflatten(-1, (2, 4)).transpose(1, 2) for part in attention.key_value(flat).chunk(2, dim=-1))
    weights = (query @ key.transpose(-1, -2) / 2.0).softmax(-1)
    expected = (weights @ value).transpose(1, 2).flatten(2).unflatten(1, (3, 4))
    assert torch.allclose(attention(tokens), expected, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_shorter_way_without_gradients_computes_the_same(dtype: torch.dtype) -> None:
    encoder = MixTransformer(MiTConfig("b0")).eval().to(dtype)
    image = torch.rand(2, 3, 64, 50)
    longer = encoder(image)
    with torch.inference_mode():
        shorter = encoder(image)
    tolerance = 1e-5 if dtype == torch.float32 else 5e-2
    for one, other in zip(longer, shorter, strict=True):
        torch.testing.assert_close(one.detach(), other, atol=tolerance, rtol=tolerance)
