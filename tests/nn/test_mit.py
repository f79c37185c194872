from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file

from napari_medfreq.nn.mit import Attention, MiTConfig, MixTransformer
from napari_medfreq.nn.mmsnet import load_segformer

if TYPE_CHECKING:
    from pathlib import Path

MILLIONS = {"b0": 3.32, "b1": 13.15, "b2": 24.20, "b3": 44.07, "b4": 60.84, "b5": 81.44}


def published(model: Any, folder: Path) -> dict[str, torch.Tensor]:
    """Return the weights of a model of transformers in the layout of the files that are published."""
    model.save_pretrained(folder)
    return load_file(folder / "model.safetensors")


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
    expected = attention.output((weights @ value).transpose(1, 2).flatten(2)).unflatten(1, (3, 4))
    assert torch.allclose(attention(tokens), expected, atol=1e-12)


@pytest.mark.parametrize(("variant", "size"), [("b0", (64, 96)), ("b0", (96, 64)), ("b1", (64, 64))])
def test_with_the_same_weights_the_maps_are_those_of_transformers(
    variant: str, size: tuple[int, int], tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is needed to compare with SegformerModel")
    config = MiTConfig(variant)  # type: ignore[arg-type]
    reference = transformers.SegformerModel(
        transformers.SegformerConfig(hidden_sizes=list(config.widths), depths=list(config.depths))
    ).eval()
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))  # norms and biases start as 1 and 0
    encoder = MixTransformer(config).eval()
    load_segformer(encoder, published(reference, tmp_path))
    image = torch.randn(2, 3, *size)
    with torch.no_grad():
        expected = reference(image, output_hidden_states=True).hidden_states
        found = encoder(image)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5, rtol=1e-5)


def test_weights_of_a_whole_segformer_load_too_and_its_head_is_left_out(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is needed to make a SegFormer")
    reference = transformers.SegformerForSemanticSegmentation(transformers.SegformerConfig())
    encoder = MixTransformer(MiTConfig("b0"))
    state = published(reference, tmp_path)
    assert any(name.startswith("decode_head") for name in state)
    load_segformer(encoder, state)
    theirs = state["segformer.encoder.patch_embeddings.0.proj.weight"]
    assert torch.equal(encoder.stages[0].embedding.projection.weight, theirs)
    with pytest.raises(ValueError, match=r"do not fit an encoder b1: \d+ tensors are missing or of another size"):
        load_segformer(MixTransformer(MiTConfig("b1")), state)


def test_weights_with_a_tensor_missing_change_nothing(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is needed to make weights")
    state = published(transformers.SegformerModel(transformers.SegformerConfig()), tmp_path)
    del state["encoder.block.2.1.attention.self.key.weight"]
    encoder = MixTransformer(MiTConfig("b0"))
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    with pytest.raises(ValueError, match=r"1 tensors are missing.*stages\.2\.blocks\.1\.attention\.key_value\.weight"):
        load_segformer(encoder, state)
    assert all(torch.equal(before[name], tensor) for name, tensor in encoder.state_dict().items())
