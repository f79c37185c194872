from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file

from napari_medfreq.nn.mit import MiTConfig, MixTransformer
from napari_medfreq.nn.segformer import load_segformer

if TYPE_CHECKING:
    from pathlib import Path


def published(model: Any, folder: Path) -> dict[str, torch.Tensor]:
    """Return the weights of a model of transformers in the layout of the files that are published."""
    model.save_pretrained(folder)
    return load_file(folder / "model.safetensors")


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
