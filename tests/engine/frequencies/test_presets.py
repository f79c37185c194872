from __future__ import annotations

import pytest

from napari_medfreq.engine.frequencies.presets import PRESETS, preset_gains, solo_gains
from napari_medfreq.errors import InputError
from napari_medfreq.transforms.bands import Band, BandKey
from napari_medfreq.transforms.block_dct import BlockDCT
from napari_medfreq.transforms.contourlet import Contourlet
from napari_medfreq.transforms.fourier import FourierBands

LAYOUT = Contourlet((2, 2, 3)).layout()


def muted(gains: dict[BandKey, float]) -> set[int]:
    """The scales that are muted as a whole."""
    there = {band.key for band in LAYOUT}
    return {scale for scale in range(4) if all(gains.get(key) == 0.0 for key in there if key.scale == scale)}


@pytest.mark.parametrize(
    ("name", "scales"),
    [
        ("As it is", set()),
        ("No low-pass", {0}),
        ("Low-pass only", {1, 2, 3}),
        ("Edges only", {0, 1}),
        ("Denoise", {3}),
    ],
)
def test_presets_mute_what_they_say(name: str, scales: set[int]) -> None:
    gains = preset_gains(name, LAYOUT)
    assert muted(gains) == scales
    assert {key.scale for key in gains} == scales


def test_sharpening_weighs_the_two_finest_octaves() -> None:
    gains = preset_gains("Sharpen", LAYOUT)
    assert set(gains.values()) == {2.0}
    assert {key.scale for key in gains} == {2, 3}


@pytest.mark.parametrize(
    ("layout", "noise"),
    [
        # Eight shells of a block: the finest octave is the upper half of them.
        (BlockDCT(8).layout(), {4, 5, 6, 7}),
        (FourierBands((0.1, 0.2, 0.4), (0.5, 0.5)).layout(), {3}),
    ],
)
def test_noise_is_a_matter_of_frequency_not_of_counting_scales(layout: tuple[Band, ...], noise: set[int]) -> None:
    assert {key.scale for key in preset_gains("Denoise", layout)} == noise


def test_a_transform_with_one_scale_keeps_something() -> None:
    layout = Contourlet((2,)).layout()
    for name in PRESETS:
        gains = preset_gains(name, layout)
        assert any(gains.get(band.key, 1.0) != 0.0 for band in layout), name


def test_solo_leaves_nothing_else() -> None:
    keys = [BandKey(1, 2), BandKey(3, 0)]
    gains = solo_gains(LAYOUT, keys)
    assert {band.key for band in LAYOUT} - set(gains) == set(keys)
    assert set(gains.values()) == {0.0}


def test_an_unknown_preset() -> None:
    with pytest.raises(InputError, match=r"Denoise"):
        preset_gains("Beautify", LAYOUT)
