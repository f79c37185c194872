from __future__ import annotations

import math

import numpy as np
import pytest

from napari_medfreq.engine.frequencies.options import FrequencyOptions
from napari_medfreq.engine.frequencies.results import Analysis, BandMeasure, Needs, shares
from napari_medfreq.transforms.bands import Band, BandKey
from napari_medfreq.volume import Volume


def analysis(*energies: float) -> Analysis:
    bands = tuple(
        BandMeasure(Band(BandKey(scale, 0), (0.1 * scale, 0.1 * (scale + 1))), (0.0, 1.0), energy, 0.1, 2.0, 4)
        for scale, energy in enumerate(energies)
    )
    return Analysis(FrequencyOptions(), bands, "cycles/mm", 0.5)


def test_shares_of_details_leave_the_low_pass_band_out() -> None:
    assert analysis(96.0, 1.0, 3.0).detail_shares == {BandKey(1, 0): 0.25, BandKey(2, 0): 0.75}


def test_a_constant_image_has_no_details() -> None:
    assert analysis(96.0, 0.0, 0.0).detail_shares == {BandKey(1, 0): 0.0, BandKey(2, 0): 0.0}


def test_layout_is_that_of_the_bands() -> None:
    assert [band.key for band in analysis(1.0, 2.0).layout] == [BandKey(0, 0), BandKey(1, 0)]


def test_shares_add_up_to_one_and_do_not_hide_what_is_no_number() -> None:
    one, two = BandKey(0, 0), BandKey(1, 0)
    assert shares({one: 1.0, two: 3.0}) == {one: 0.25, two: 0.75}
    assert shares({one: 0.0, two: 0.0}) == {one: 0.0, two: 0.0}
    assert all(math.isnan(share) for share in shares({one: math.nan, two: 1.0}).values())


@pytest.mark.parametrize("count", [0, 3])
def test_pixels_of_the_whole_mask(count: int) -> None:
    mask = np.zeros((4, 4), np.uint8)
    mask.flat[:count] = 2
    assert Needs("model", (), (), Volume(mask, axes="yx", kind="labels")).pixels == count
