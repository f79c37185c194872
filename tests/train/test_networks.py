from __future__ import annotations

import pytest
import torch

from napari_medfreq.train.networks import UNetBaseline


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (16, 90)])
@pytest.mark.parametrize("classes", [1, 3])
def test_the_baseline_takes_any_size_as_ours_does(size: tuple[int, int], classes: int) -> None:
    network = UNetBaseline(2, classes).eval()
    image = torch.rand(2, 2, *size)
    with torch.inference_mode():
        assert network(image).shape == (2, classes, *size)
        levels = network.supervise(image)
    assert [tuple(region.shape) for region in levels.regions] == [(2, classes, *size)]
    assert levels.boundaries == []


def test_the_baseline_is_as_large_as_it_says() -> None:
    count = sum(p.numel() for p in UNetBaseline(3, 1).parameters())
    assert count / 1e6 == pytest.approx(1.6, abs=0.05)
