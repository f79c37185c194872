from __future__ import annotations

from typing import Any

import pytest
import torch

from napari_medfreq.transforms.bands import BandKey, with_gains
from napari_medfreq.transforms.block_dct import BlockDCT
from napari_medfreq.transforms.contourlet import Contourlet
from napari_medfreq.transforms.dct import DCT2
from napari_medfreq.transforms.planes import Planes
from napari_medfreq.transforms.wavelet import Wavelet

TRANSFORMS = [DCT2(), BlockDCT(8), Wavelet("db2", 2), Contourlet((2, 3))]


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda t: type(t).__name__)
def test_a_volume_comes_back_from_any_plane(transform: Any, axis: int) -> None:
    planes, volume = Planes(transform, axis), torch.rand(2, 9, 21, 34, dtype=torch.float64)
    back = planes.inverse(planes(volume))
    assert back.shape == volume.shape
    assert float((back - volume).abs().max()) < 1e-12


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_each_slice_has_its_own_coefficients(axis: int) -> None:
    volume = torch.rand(9, 21, 34, dtype=torch.float64)
    coefficients = Planes(DCT2(), axis)(volume)
    for index in (0, 5, 8):
        assert torch.allclose(coefficients[index], DCT2()(volume.select(axis, index)), atol=1e-12)
    for number, part in enumerate(Planes(DCT2(), axis).slices(volume, at_once=4)):
        assert torch.allclose(part, coefficients[4 * number : 4 * number + 4], atol=1e-12)


@pytest.mark.parametrize("at_once", [1, 4, 100])
@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda t: type(t).__name__)
def test_gains_a_few_slices_at_a_time_are_those_of_all_at_once(transform: Any, at_once: int) -> None:
    planes, volume = Planes(transform, 1), torch.rand(9, 21, 34, dtype=torch.float64)
    gains = {BandKey(0, 0): 0.0, BandKey(1, 1): 2.0}
    expected = with_gains(planes, planes(volume), gains)
    assert torch.allclose(planes.with_gains(volume, gains, at_once), expected, atol=1e-12)
    assert planes.layout() == transform.layout()


def test_an_axis_is_one_of_three_and_a_volume_has_three() -> None:
    with pytest.raises(ValueError, match="axis must be 0, 1 or 2"):
        Planes(DCT2(), -1)
    with pytest.raises(ValueError, match=r"\(\.\.\., D, H, W\)"):
        Planes(DCT2())(torch.zeros(8, 8))
