from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from napari_medfreq.nn.mmsnet import MMSNet, MMSNetConfig

SMALL: dict[str, Any] = {"width": 16, "adapter_ratio": 8, "levels": (2,), "scales": 1, "frequencies": 2}
ABLATIONS: dict[str, dict[str, Any]] = {
    "whole": {},
    "no guidance": {"scales": 0},
    "three scales": {"scales": 3, "frequencies": 32},
    "one coefficient": {"frequencies": 1},
    "fft": {"prompt": "fft"},
    "wavelet": {"prompt": "wavelet"},
    "no prompt": {"prompt": None},
    "no adapter": {"prompt": None, "adapter_ratio": None},
    "r1": {"adapter_ratio": 1},
    "r2": {"adapter_ratio": 2},
    "r4": {"adapter_ratio": 4},
    "softmax": {"classes": 3, "in_channels": 1},
    "four channels": {"in_channels": 4, "decoder_dropout": 0.2},
}


def small(**changes: Any) -> MMSNet:
    return MMSNet(MMSNetConfig(**{**SMALL, **changes}))


@pytest.mark.parametrize("changes", ABLATIONS.values(), ids=ABLATIONS.keys())
def test_every_part_can_be_switched(changes: dict[str, Any]) -> None:
    network = small(**changes).eval()
    config = network.config
    image = torch.rand(2, config.in_channels, 48, 40)
    with torch.inference_mode():
        logits = network(image)
        levels = network.supervise(image)
    assert logits.shape == (2, config.classes, 48, 40)
    assert [r.shape for r in levels.regions] == [
        (2, config.classes, h, w) for h, w in ((12, 10), (6, 5), (3, 3), (2, 2))
    ]
    assert [b.shape[1] for b in levels.boundaries] == [1, 1, 1, 1]
    assert (network.adapter is None) == (config.adapter_ratio is None)
    assert (network.prompt is None) == (config.prompt is None)
    assert MMSNetConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize("size", [(33, 47), (8, 8), (1, 40), (64, 3), (1, 1), (97, 128)])
def test_any_size_is_segmented(size: tuple[int, int]) -> None:
    with torch.inference_mode():
        logits = small().eval()(torch.rand(1, 3, *size))
    assert logits.shape == (1, 1, *size)
    assert logits.isfinite().all()


def test_every_parameter_gets_a_gradient() -> None:
    torch.manual_seed(1)
    network = small(drop_path=0.0, head_dropout=0.0).train()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05)
    image, truth = torch.rand(2, 3, 64, 64), (torch.rand(2, 1, 64, 64) > 0.5).float()
    for _ in range(2):  # the adapters start as identity: what lies below them learns from the second step on
        optimiser.zero_grad()
        output = network.supervise(image)
        maps = output.regions + output.boundaries
        sum(
            functional.binary_cross_entropy_with_logits(m, functional.adaptive_avg_pool2d(truth, m.shape[-2:]))
            for m in maps
        ).backward()  # type: ignore[union-attr]
        optimiser.step()
    without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


def test_one_batch_is_learned_by_heart() -> None:
    torch.manual_seed(0)
    network = small(drop_path=0.0, head_dropout=0.0, adapter_ratio=4).train()
    rows, columns = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    truth = torch.stack([(rows - 12) ** 2 + (columns - 10) ** 2 < 60, (rows - 20) ** 2 + (columns - 18) ** 2 < 90])
    image = torch.rand(2, 3, 32, 32) + truth[:, None].float()
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(40):
        optimiser.zero_grad()
        functional.binary_cross_entropy_with_logits(network(image)[:, 0], truth.float()).backward()
        optimiser.step()
    found = network(image)[:, 0] > 0
    assert float((found == truth).float().mean()) > 0.97


def test_in_use_the_same_image_gives_the_same_answer_and_a_batch_its_parts() -> None:
    network, image = small(drop_path=0.5, head_dropout=0.5, decoder_dropout=0.5).eval(), torch.rand(3, 3, 40, 33)
    with torch.inference_mode():
        first = network(image)
        assert torch.equal(first, network(image))
        assert torch.allclose(first[1:2], network(image[1:2]), atol=1e-5)
        network.train()
        assert not torch.equal(network(image), network(image))


def test_weights_make_the_same_network_again() -> None:
    network, other, image = small().eval(), small().eval(), torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        assert not torch.equal(network(image), other(image))
        other.load_state_dict(network.state_dict())
        assert torch.equal(network(image), other(image))


def test_weights_hold_parameters_and_statistics_only() -> None:
    network = small(scales=3, frequencies=32, width=64)
    state = network.state_dict()
    parameters = sum(p.numel() for p in network.parameters())
    assert sum(tensor.numel() for tensor in state.values()) < 1.01 * parameters
    with torch.inference_mode():
        network.eval()(torch.rand(1, 3, 32, 32))
    assert network.state_dict().keys() == state.keys()


def test_a_frozen_encoder_is_all_that_is_frozen() -> None:
    network = small(freeze_encoder=True, drop_path=0.0).train()
    frozen = {name for name, p in network.named_parameters() if not p.requires_grad}
    assert frozen == {name for name, _ in network.named_parameters() if name.startswith("encoder.")}
    before = {name: p.clone() for name, p in network.named_parameters()}
    trained = [p for p in network.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(trained, lr=1.0)
    for _ in range(2):
        optimiser.zero_grad()
        network(torch.rand(2, 3, 64, 64)).square().mean().backward()
        optimiser.step()
    changed = {name.split(".")[0] for name, p in network.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {"adapter", "prompt", "project", "smooth", "guide", "classify"}


def test_adapters_start_as_the_bare_encoder() -> None:
    network, image = small().eval(), torch.rand(1, 3, 40, 40)
    with torch.inference_mode():
        for ours, bare in zip(network.encode(image), network.encoder(image), strict=True):
            assert torch.equal(ours, bare)


@pytest.mark.parametrize("classes", [1, 3])
def test_passes_at_once_are_the_head_with_each_mask(classes: int) -> None:
    network = small(classes=classes, head_dropout=0.3).eval()
    masks = network.pass_masks(5, seed=7)
    with torch.inference_mode():
        features = network.features(torch.rand(2, 3, 37, 50))
        passes = network.head_passes([features], masks.head)
        assert passes.shape == (5, 2, classes, 10, 13)
        for mask, found in zip(masks.head, passes, strict=True):
            expected = network.head(features * mask[None, :, None, None])
            assert torch.allclose(found, expected, atol=1e-6)


def test_masks_depend_on_the_seed_alone_and_keep_the_mean() -> None:
    network = small(width=64, head_dropout=0.25)
    masks = network.pass_masks(4000, seed=1).head
    assert masks.shape == (4000, 64)
    torch.manual_seed(99)
    assert torch.equal(masks, network.pass_masks(4000, seed=1).head)
    assert not torch.equal(masks, network.pass_masks(4000, seed=2).head)
    assert sorted(masks.unique().tolist()) == pytest.approx([0.0, 1 / 0.75])
    assert torch.allclose(masks.mean(dim=0), torch.ones(64), atol=0.05)
    assert torch.equal(network.pass_masks(3, seed=1).head, masks[:3])


def test_the_mean_of_passes_is_the_plain_answer_and_their_variance_the_closed_form() -> None:
    network = small(head_dropout=0.2).eval()
    with torch.inference_mode():
        features = network.features(torch.rand(1, 3, 32, 32))
        passes = network.head_passes([features], network.pass_masks(8000, seed=0).head).double()
        plain = network.head(features).double()
        terms = (network.classify.weight[0, :, 0, 0].double()[:, None, None] * features[0].double()) ** 2
    variance = 0.2 / 0.8 * terms.sum(dim=0)
    assert torch.allclose(passes.mean(dim=0), plain, atol=5 * float(variance.max() / 8000) ** 0.5)
    mean, closed = network.head_moments([features])
    assert torch.allclose(passes.var(dim=0)[0, 0], variance, rtol=0.15)
    assert torch.allclose(closed[0, 0].double(), variance, rtol=1e-4)
    assert torch.allclose(mean.double(), plain, atol=1e-6)


@pytest.mark.parametrize("scales", [0, 2])
def test_draws_of_the_decoder_are_the_decoder_with_each_mask_in_training(scales: int) -> None:
    """The reference lets the module itself drop what the masks say, as it does in training, and runs it whole."""
    network = small(scales=scales, decoder_dropout=0.3).eval()
    image = torch.rand(2, 3, 37, 50)
    masks = network.pass_masks(12, seed=4)
    assert masks.decoder is not None
    assert masks.decoder.shape == (3, 4, 16)
    with torch.inference_mode():
        draws = list(network.decoder_samples(network.encode(image), masks.decoder))
        for parts, drawn in zip(draws, masks.decoder, strict=True):
            levels = iter(drawn)
            handle = network.decoder_dropout.register_forward_hook(
                lambda _, __, x, levels=levels: x * next(levels)[:, None, None]
            )
            expected = network.head(network.features(image))
            handle.remove()
            found = network.head_passes(parts, torch.ones(1, 16))[0]
            assert torch.allclose(found, expected, atol=1e-5)
            assert not torch.allclose(found, network.head(network.features(image)), atol=1e-3)


def test_the_wrong_number_of_channels_is_said() -> None:
    with pytest.raises(ValueError, match="takes 3 channels, not 4"):
        small().eval()(torch.rand(1, 4, 32, 32))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"adapter_ratio": None}, "needs adapters"),
        ({"head_dropout": 1.0}, r"head_dropout must lie in \[0, 1\), not 1.0"),
        ({"drop_path": -0.1}, "drop_path must lie in"),
        ({"backbone": "b9"}, "'b9' is not one of"),
        ({"frequencies": 3}, "must be 1, 2, 4, 8, 16 or 32"),
        ({"adapter_ratio": 3}, "must be 1, 2, 4 or 8"),
        ({"levels": (7,)}, "levels must be 0 to 6"),
    ],
)
def test_settings_that_make_no_network_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**changes)


def test_unknown_settings_are_named() -> None:
    with pytest.raises(ValueError, match="unknown settings of MMSNet: depth; known: adapter_ratio"):
        MMSNetConfig.from_dict({"depth": 3})
