from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_medfreq.engine.predictor import place
from napari_medfreq.engine.weights import load_network

if TYPE_CHECKING:
    from napari_medfreq.io.models import ModelFolder

CPU = torch.device("cpu")


def test_bfloat16_finds_nearly_the_same(rgb_model: ModelFolder) -> None:
    network = load_network(rgb_model)
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        exact = place(network, CPU, torch.float32)(images, None, lambda: None)
        fast = place(network, CPU, torch.bfloat16)(images, None, lambda: None)
    assert exact.dtype == fast.dtype == torch.float32
    assert exact.shape == (2, 1, 16, 16)
    assert not torch.equal(exact, fast)
    # The weights are random and their logits were spread on purpose; trained networks lie closer.
    assert (exact - fast).abs().mean() < 0.05


@pytest.mark.gpu
def test_the_device_finds_the_same(rgb_model: ModelFolder) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    network = load_network(rgb_model)
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        exact = place(network, CPU, torch.float32)(images, None, lambda: None)
        device = place(network, torch.device("cuda", 0), torch.float32)(images, None, lambda: None)
    assert device.device == CPU
    torch.testing.assert_close(device, exact, atol=1e-2, rtol=0)
    assert next(network.parameters()).device == CPU
