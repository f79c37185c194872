from __future__ import annotations

import pytest
import torch

from napari_medfreq.transforms.bands import Band, BandKey, energies, with_gains
from napari_medfreq.transforms.fourier import FourierBands


def test_a_key_is_written_as_on_the_command_line_and_sorts_coarse_to_fine() -> None:
    assert str(BandKey(2, 5)) == "2:5"
    assert sorted([BandKey(2, 0), BandKey(0, 0), BandKey(1, 3)]) == [BandKey(0, 0), BandKey(1, 3), BandKey(2, 0)]
    assert Band(BandKey(1, 0), (0.1, 0.2)) == Band(BandKey(1, 0), (0.1, 0.2))


def test_energy_is_the_sum_of_squares_even_where_float32_would_lose_it() -> None:
    part = torch.full((1000, 1000), 0.1)
    assert energies({BandKey(0, 0): part})[BandKey(0, 0)] == pytest.approx(1e4, rel=1e-7)


def test_gains_weigh_their_bands_and_leave_the_others() -> None:
    transform, image = FourierBands((0.1, 0.3)), torch.rand(16, 20, dtype=torch.float64)
    low, middle, high = bands = transform(image)
    changed = with_gains(transform, bands, {BandKey(0, 0): 0.0, BandKey(2, 0): 3.0})
    assert torch.allclose(changed, middle + 3.0 * high, atol=1e-12)
    assert torch.allclose(with_gains(transform, bands, {}), image, atol=1e-12)
    assert torch.allclose(low + middle + high, image, atol=1e-12)  # the bands themselves are as they were


def test_a_band_that_is_not_there_is_named_beside_those_that_are() -> None:
    transform = FourierBands((0.1,))
    with pytest.raises(ValueError, match="there is no band 5:1; there are 0:0, 1:0"):
        with_gains(transform, transform(torch.rand(8, 8)), {BandKey(5, 1): 0.0})
