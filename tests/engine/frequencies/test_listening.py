from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_medfreq.engine.frequencies.listening import listen, stacked_keys
from napari_medfreq.engine.frequencies.model_plane import model_plane
from napari_medfreq.engine.segmenter import Segmenter
from napari_medfreq.io.models import InputSpec, LabelName, ModelFolder
from napari_medfreq.nn.fep import FrequencyPrompt
from napari_medfreq.nn.mmsnet import MMSNet, MMSNetConfig
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

CONFIG = MMSNetConfig(in_channels=1, width=16, adapter_ratio=8, scales=2, frequencies=4, levels=(0, 1, 3))


def segmenter_of(network: MMSNet) -> Segmenter:
    from pathlib import Path

    from napari_medfreq.io.cards import Card

    spec = InputSpec(("t1",), size=128, normalisation="percentile")
    card = Card("Test model", "Random weights.", "CC0", "tests", "patients")
    labels = (LabelName(1, "lesion", "#e8a33d"),)
    return Segmenter(
        ModelFolder(Path("none"), "none", "Test model", "1", "lesion", network.config.to_dict(), spec, labels, card),
        network,
        "cpu",
    )


@pytest.fixture
def image(blobs: Callable[..., npt.NDArray[np.float32]]) -> Volume:
    return Volume(blobs((100, 140)), np.diag([0.5, 0.5, 1.0, 1.0]), "yx", ("t1",), name="scan")


def test_every_coefficient_of_every_scale_is_heard(image: Volume, sink: Any) -> None:
    plane = model_plane(segmenter_of(MMSNet(CONFIG)), image, "axial", 0, sink)
    heard = listen(plane, sink)
    assert (heard.model, heard.unit) == ("Test model", "cycles/mm")
    places = {(vote.stride, vote.scale) for vote in heard.votes}
    assert places == {(stride, scale) for stride in (4, 8, 16, 32) for scale in (1, 2)}
    for place in places:
        votes = [vote for vote in heard.votes if (vote.stride, vote.scale) == place]
        assert [vote.coefficient for vote in votes] == [(0, 0), (0, 1), (6, 0), (0, 5)]
        assert sum(vote.share for vote in votes) == pytest.approx(1.0)
        # Not trained: all weights are alike.
        assert [vote.weight for vote in votes] == pytest.approx([0.25] * 4)
    # 50 mm by 70 mm: coefficient 6 has six half waves over 50 mm, coefficient 5 five over 70 mm.
    assert heard.votes[2].frequency == pytest.approx((6 / 100, 0.0))
    assert heard.votes[3].frequency == pytest.approx((0.0, 5 / 140))


def test_a_coefficient_with_all_the_weight_decides_alone(image: Volume, sink: Any) -> None:
    network = MMSNet(CONFIG)
    with torch.no_grad():
        network.guide[1].scales[0].channel.weight.copy_(torch.tensor([0.0, 0.0, 50.0, 0.0]))
    votes = listen(model_plane(segmenter_of(network), image, "axial", 0, sink), sink).votes
    (loud,) = [vote for vote in votes if (vote.stride, vote.scale, vote.coefficient) == (8, 1, (6, 0))]
    assert loud.weight == pytest.approx(1.0)
    assert loud.share == pytest.approx(1.0)


def test_the_prompt_gives_its_bands_in_the_order_of_the_layout(image: Volume, sink: Any) -> None:
    network = MMSNet(CONFIG)
    assert network.prompt is not None
    assert network.prompt.subbands is not None
    with torch.no_grad():
        network.prompt.subbands.weight.zero_()
        # What the prompt stacks at place 5 is a single band of the finest scale.
        network.prompt.subbands.weight[:, 5] = 1.0
    found = listen(model_plane(segmenter_of(network), image, "axial", 0, sink), sink).prompt
    assert [str(band.band.key) for band in found] == ["1:0", "2:0", "2:1", *(f"3:{n}" for n in range(8))]
    loud = [band for band in found if band.weight > 0]
    assert len(loud) == 1
    assert (loud[0].weight, loud[0].share) == (1.0, 1.0)
    assert loud[0].band.key == stacked_keys(CONFIG.levels)[5]
    assert all(band.energy > 0 for band in found)


@pytest.mark.parametrize("degrees", [20.0, 70.0, 110.0, -20.0])
def test_stripes_are_heard_in_the_band_of_their_direction(degrees: float) -> None:
    """So the order of the prompt's stack is the one that is assumed here."""
    prompt = FrequencyPrompt([8, 8, 8, 8], levels=(2,))
    y, x = np.indices((128, 128))
    turn = np.radians(degrees)
    stripes = np.cos(2 * np.pi * 0.3 * (x * np.cos(turn) + y * np.sin(turn)))
    _, stack = prompt.frequencies(torch.from_numpy(stripes).float()[None, None])
    assert stack is not None
    loudest = stacked_keys((2,))[int(stack.square().mean((0, 2, 3)).argmax())]
    (band,) = [band for band in prompt.contourlet.layout() if band.key == loudest]
    assert band.angle is not None
    assert band.angle[0] <= degrees <= band.angle[1]


def test_models_without_guidance_say_so(image: Volume, sink: Any) -> None:
    network = MMSNet(MMSNetConfig(in_channels=1, width=16, adapter_ratio=None, prompt=None, scales=0))
    heard = listen(model_plane(segmenter_of(network), image, "axial", 0, sink), sink)
    assert heard.votes == heard.prompt == ()
    assert any("no frequency guidance" in note for note in sink.notes)
    assert any("no contourlet prompt" in note for note in sink.notes)
