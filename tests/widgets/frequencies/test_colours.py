"""Numbers become colours that rise in lightness, and a bar that can be read."""

from __future__ import annotations

from math import nan

import pytest

from napari_medfreq.transforms.bands import BandKey
from napari_medfreq.widgets.frequencies.colours import BandColours

KEYS = [BandKey(1, i) for i in range(4)]


def test_more_is_lighter_and_zero_is_darkest() -> None:
    colours = BandColours(dict(zip(KEYS, (0.0, 1.0, 100.0, 1e4), strict=True)))
    lightness = [colours.colour(key).lightnessF() for key in KEYS]
    assert lightness == sorted(lightness)
    assert colours.fraction(100.0) == pytest.approx(0.5)


def test_what_is_not_a_number_has_no_colour() -> None:
    colours = BandColours({KEYS[0]: nan, KEYS[1]: 2.0})
    assert colours.colour(KEYS[0]) is None
    assert colours.colour(KEYS[3]) is None
    assert colours.colour(KEYS[1]) is not None


def test_a_bar_of_decades_is_marked_at_powers_of_ten() -> None:
    colours = BandColours({KEYS[0]: 5.0, KEYS[1]: 2e6})
    assert [text for _, text in colours.ticks()] == ["10", "1000", "10⁵"]
    assert all(0 <= place <= 1 for place, _ in colours.ticks())


@pytest.mark.parametrize("values", [{}, {KEYS[0]: 0.0}, {KEYS[0]: 3.0, KEYS[1]: 3.0}])
def test_nothing_or_one_number_still_makes_a_bar(values: dict[BandKey, float]) -> None:
    for logarithmic in (True, False):
        colours = BandColours(values, logarithmic=logarithmic)
        low, high = colours.span()
        assert low < high
        assert colours.ticks()
