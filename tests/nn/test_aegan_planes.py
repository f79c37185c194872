from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_medfreq.nn.aegan import AEGANConfig, Synthesis
from napari_medfreq.nn.aegan_planes import synthesise_planes


@pytest.fixture
def network() -> Synthesis:
    torch.manual_seed(0)
    return Synthesis(AEGANConfig(width=4, blocks=1, slices=3)).eval()


def test_planes_come_in_order_whatever_the_batch(network: Synthesis) -> None:
    stacks = np.random.default_rng(0).random((3, 7, 16, 20)).astype(np.float16)
    found = {batch: list(synthesise_planes(network, stacks, 2, slices=3, batch=batch)) for batch in (1, 3, 7)}
    assert [start for start, _ in found[3]] == [0, 3, 6]
    whole = np.concatenate([made for _, made in found[7]])
    assert whole.shape == (7, 16, 20)
    assert whole.min() >= 0
    assert whole.max() <= 1
    for batch in (1, 3):
        np.testing.assert_allclose(np.concatenate([made for _, made in found[batch]]), whole, atol=1e-5)


def test_bfloat16_is_close(network: Synthesis) -> None:
    stacks = np.random.default_rng(0).random((3, 2, 16, 16)).astype(np.float32)
    exact, quick = (
        np.concatenate([made for _, made in synthesise_planes(network, stacks, 0, slices=3, precision=precision)])
        for precision in (torch.float32, torch.bfloat16)
    )
    assert 0 < np.abs(exact - quick).max() < 0.05
