from __future__ import annotations

from napari_medfreq.transforms.bands import BandKey
from napari_medfreq.transforms.dyadic import directions, dyadic_layout


def test_directions_have_the_names_of_the_field() -> None:
    assert directions(2) == ("LH", "HL", "HH")
    assert directions(3) == ("LLH", "LHL", "LHH", "HLL", "HLH", "HHL", "HHH")


def test_octaves_tile_the_frequencies_up_to_nyquist() -> None:
    layout = dyadic_layout(3, 2)
    assert [band.key for band in layout] == [BandKey(0, 0), *(BandKey(s, d) for s in (1, 2, 3) for d in range(3))]
    octaves = [layout[0].frequency, *(band.frequency for band in layout[1::3])]
    assert octaves == [(0.0, 0.0625), (0.0625, 0.125), (0.125, 0.25), (0.25, 0.5)]


def test_a_band_that_is_high_pass_along_x_holds_stripes_across_x() -> None:
    bands = {band.name: band for band in dyadic_layout(1, 2)}
    assert bands["HL"].angle == (-45.0, 45.0)
    assert bands["LH"].angle == (45.0, 135.0)
    assert bands["LL"].angle is None
    assert bands["HH"].angle is None
    assert all(band.angle is None for band in dyadic_layout(2, 3))
