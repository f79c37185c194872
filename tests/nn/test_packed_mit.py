from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from napari_medfreq.nn import packed_mit
from napari_medfreq.nn.mfa import ModalityAdapter
from napari_medfreq.nn.mit import MiTConfig, MixTransformer, Variant
from napari_medfreq.nn.packed_mit import PackedMixTransformer, can_pack, packed

if TYPE_CHECKING:
    from torch import Tensor

    from napari_medfreq.nn.mit import BeforeBlock

needs_onednn = pytest.mark.skipif(not can_pack(torch.float32), reason="this PyTorch comes without oneDNN")
needs_bfloat16 = pytest.mark.skipif(not can_pack(torch.bfloat16), reason="no bfloat16 in oneDNN on this processor")


def encoder_with_weights(variant: Variant = "b0", channels: int = 3) -> MixTransformer:
    """Return an encoder none of whose weights, biases and norms is at its first value."""
    torch.manual_seed(0)
    encoder = MixTransformer(MiTConfig(variant, channels)).eval()
    for name, parameter in encoder.named_parameters():
        if parameter.dim() == 1:
            nn.init.normal_(parameter, mean=1.0 if "norm" in name and "weight" in name else 0.0, std=0.3)
        elif "attention" in name:
            # Scores of the order of one: attention neither uniform nor a mere maximum.
            nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    return encoder


def assert_equal(ours: list[Tensor], theirs: list[Tensor], tolerance: float = 1e-5) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape
        assert float((one - other).norm() / other.norm()) < tolerance


@needs_onednn
@pytest.mark.parametrize("variant", ["b0", "b2"])
@pytest.mark.parametrize("size", [(96, 80), (33, 47), (8, 8), (1, 40), (1, 1)])
def test_it_computes_what_the_encoder_computes(variant: Variant, size: tuple[int, int]) -> None:
    encoder = encoder_with_weights(variant)
    image = torch.rand(2, 3, *size)
    with torch.inference_mode():
        assert_equal(packed(encoder, torch.float32)(image), encoder(image))


@needs_onednn
@pytest.mark.parametrize("channels", [1, 2, 4])
def test_any_number_of_channels(channels: int) -> None:
    encoder = encoder_with_weights(channels=channels)
    image = torch.rand(1, channels, 64, 48)
    with torch.inference_mode():
        assert_equal(packed(encoder, torch.float32)(image), encoder(image))


@needs_onednn
def test_one_after_another_sizes_do_not_disturb_each_other() -> None:
    encoder = encoder_with_weights()
    fast = packed(encoder, torch.float32)
    with torch.inference_mode():
        for shape in ((1, 3, 64, 64), (3, 3, 64, 96), (1, 3, 64, 64)):
            image = torch.rand(shape)
            assert_equal(fast(image), encoder(image))


@needs_onednn
def test_scores_in_blocks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = encoder_with_weights()
    image = torch.rand(2, 3, 96, 96)
    with torch.inference_mode():
        monkeypatch.setattr(packed_mit, "_SCORES", 1000)
        assert_equal(packed(encoder, torch.float32)(image), encoder(image))


@needs_onednn
def test_adapters_reach_the_blocks() -> None:
    encoder = encoder_with_weights()
    adapter = ModalityAdapter(encoder.config.widths, encoder.config.depths, 4)
    for up in adapter.up:
        nn.init.normal_(up.weight, std=0.2)
    image = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():

        def adapt(stage: int, embedding: Tensor) -> BeforeBlock:
            return adapter(stage, embedding, None)

        adapted = encoder(image, adapt)
        assert_equal(packed(encoder, torch.float32)(image, adapt), adapted)
        assert float((adapted[3] - encoder(image)[3]).abs().max()) > 0.1


@needs_bfloat16
def test_in_bfloat16_it_is_as_near_to_the_truth_as_the_encoder() -> None:
    encoder = encoder_with_weights()
    image = torch.rand(2, 3, 96, 96)
    with torch.inference_mode():
        truth = encoder(image)
        fast = packed(encoder, torch.bfloat16)(image)
        slow = encoder.to(torch.bfloat16)(image)
    for ours, plain, exact in zip(fast, slow, truth, strict=True):
        assert ours.dtype == torch.bfloat16
        assert float((ours - exact).norm()) < 1.25 * float((plain - exact).norm())


@needs_onednn
def test_the_encoder_and_the_image_stay_as_they_are() -> None:
    encoder = encoder_with_weights()
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    image = torch.rand(1, 3, 64, 64)
    kept = image.clone()
    fast = packed(encoder, torch.float32)
    first, second = fast(image), fast(image)
    assert torch.equal(image, kept)
    assert all(torch.equal(before[name], tensor) for name, tensor in encoder.state_dict().items())
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert not first[0].requires_grad
    assert not list(fast.parameters())


def test_without_onednn_the_encoder_itself_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    encoder = encoder_with_weights()
    assert packed(encoder, torch.bfloat16) is encoder
    assert encoder.stages[0].norm.weight.dtype == torch.bfloat16


@needs_onednn
def test_it_is_packed_where_it_can() -> None:
    assert isinstance(packed(encoder_with_weights(), torch.float32), PackedMixTransformer)
