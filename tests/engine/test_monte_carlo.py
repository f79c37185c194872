from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, get_args

import pytest
import torch

from napari_medfreq.engine import monte_carlo
from napari_medfreq.engine.monte_carlo import Sampling, estimate, sampling
from napari_medfreq.engine.options import Measure, Method, SegmentOptions
from napari_medfreq.engine.uncertainty import probabilities
from napari_medfreq.nn.dropout import HEADS_PER_DECODER
from napari_medfreq.nn.mmsnet import MMSNet, MMSNetConfig

if TYPE_CHECKING:
    from napari_medfreq.nn.dropout import PassMasks


@pytest.fixture(scope="module", params=[(1, 0.0), (3, 0.0), (1, 0.3), (3, 0.3)], ids=str)
def network(request: pytest.FixtureRequest) -> MMSNet:
    torch.manual_seed(0)
    classes, decoder = request.param
    network = MMSNet(
        MMSNetConfig(
            classes=classes,
            width=16,
            adapter_ratio=8,
            scales=2,
            frequencies=1,
            head_dropout=0.4,
            decoder_dropout=decoder,
            drop_path=0.5,
        )
    )
    with torch.no_grad():
        network.classify.weight *= 20  # probabilities away from a half, so that passes differ
    return network.eval().requires_grad_(False)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


def nothing() -> None:
    pass


def plain_passes(network: MMSNet, images: torch.Tensor, masks: PassMasks) -> torch.Tensor:
    """Run the whole network once a pass, its own dropout layers dropping what the masks say: (T, N, K, h, w)."""
    decoder = None if masks.decoder is None else masks.decoder.repeat_interleave(HEADS_PER_DECODER, dim=0)
    passes = []
    for index, head in enumerate(masks.head):
        levels = iter([] if decoder is None else decoder[index])
        handles = [
            network.head_dropout.register_forward_hook(lambda _, __, x, head=head: x * head[:, None, None]),
            network.decoder_dropout.register_forward_hook(
                lambda _, __, x, levels=levels: x if masks.decoder is None else x * next(levels)[:, None, None]
            ),
        ]
        passes.append(probabilities(network.head(network.features(images))))
        for handle in handles:
            handle.remove()
    return torch.stack(passes)


def planned(network: MMSNet, **options: Any) -> Sampling:
    plan = sampling(network, SegmentOptions(**{"passes": 20, "seed": 3, **options}))
    assert plan is not None
    return plan


@pytest.mark.parametrize("chunk", [1, 1 << 24])
@pytest.mark.parametrize("measure", get_args(Measure))
def test_passes_are_those_of_the_whole_network_with_its_own_dropout(
    network: MMSNet, images: torch.Tensor, chunk: int, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monte_carlo, "_CHUNK", chunk)
    plan = planned(network, measure=measure)
    assert plan.masks is not None
    passes = plain_passes(network, images, plan.masks).double()
    mean = passes.mean(dim=0)
    both = passes if passes.shape[2] > 1 else torch.cat([passes, 1 - passes], dim=2)
    classes = both.shape[2]
    each = torch.special.entr(both).sum(dim=2).mean(dim=0) / math.log(classes)
    whole = torch.special.entr(both.mean(dim=0)).sum(dim=1) / math.log(classes)
    spread = {
        "expected-entropy": each,
        "mutual-information": whole - each,
        "variance": both.var(dim=0, correction=0).sum(dim=1) / (1 - 1 / classes),
    }
    expected = mean if measure == "entropy" else torch.cat([mean, spread[measure][:, None]], dim=1)
    found = estimate(network, images, plan, nothing).double()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert measure == "entropy" or expected[:, -1].max() > 1e-3


def test_the_encoder_runs_once_and_is_asked_between_passes(
    network: MMSNet, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monte_carlo, "_CHUNK", 1)
    runs, checks = [], []
    handle = network.encoder.register_forward_hook(lambda *_: runs.append(1))
    try:
        estimate(network, images, planned(network, passes=6), lambda: checks.append(1))
    finally:
        handle.remove()
    assert len(runs) == 1
    assert len(checks) == 6


def test_without_passes_nothing_is_dropped(network: MMSNet, images: torch.Tensor) -> None:
    plain = estimate(network, images, None, nothing)
    torch.testing.assert_close(plain, probabilities(network.head(network.features(images))))
    assert torch.equal(plain, estimate(network, images, None, nothing))
    assert sampling(network, SegmentOptions(passes=0)) is None


def test_a_first_answer_is_near_the_last_one(network: MMSNet, images: torch.Tensor) -> None:
    answers: list[torch.Tensor] = []
    plan = planned(network, measure="variance")
    last = estimate(network, images, plan, nothing, answers.append)
    assert len(answers) == plan.slow == (network.config.decoder_dropout > 0)
    for first in answers:
        assert first.shape == last.shape
        assert (first - last)[:, :-1].abs().mean() < 0.1


def test_the_closed_form_is_what_many_passes_of_the_head_come_to(images: torch.Tensor) -> None:
    torch.manual_seed(0)
    network = MMSNet(MMSNetConfig(width=32, prompt=None, scales=1, head_dropout=0.1)).eval().requires_grad_(False)
    for measure in get_args(Measure):
        many = estimate(network, images, planned(network, passes=1000, measure=measure), nothing)
        closed = estimate(network, images, planned(network, method="closed-form", measure=measure), nothing)
        torch.testing.assert_close(closed, many, atol=0.01, rtol=0.2)


def test_flips_average_what_the_network_says_of_each(network: MMSNet, images: torch.Tensor) -> None:
    views = [(), (-1,), (-2,), (-2, -1)]
    passes = [probabilities(network.head(network.features(images.flip(v))).flip(v)) for v in views]
    found = estimate(network, images, planned(network, method="flips"), nothing)
    torch.testing.assert_close(found, torch.stack(passes).mean(dim=0), atol=1e-5, rtol=0)


def test_stochastic_depth_leaves_branches_out_and_puts_them_back(network: MMSNet, images: torch.Tensor) -> None:
    plain = estimate(network, images, None, nothing)
    plan = planned(network, method="stochastic-depth", passes=3)
    with torch.inference_mode():
        found = estimate(network, images, plan, nothing)
    assert (found - plain).abs().max() > 1e-3
    torch.testing.assert_close(estimate(network, images, None, nothing), plain)
    torch.testing.assert_close(estimate(network, images, plan, nothing), found)


def test_only_dropout_acts(network: MMSNet, images: torch.Tensor) -> None:
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    for method in get_args(Method):
        estimate(network, images, planned(network, method=method, passes=2), nothing)
    assert not any(module.training for module in network.modules())
    assert all(torch.equal(buffer, before[name]) for name, buffer in network.named_buffers())
