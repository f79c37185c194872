"""Undo, redo, mute, solo and presets."""

from __future__ import annotations

from math import inf

import pytest

from napari_medfreq.transforms.bands import Band, BandKey
from napari_medfreq.widgets.frequencies.gains import GainHistory, decibels, factor, gain_text

LAYOUT = (
    Band(BandKey(0, 0), (0.0, 0.125)),
    Band(BandKey(1, 0), (0.125, 0.25)),
    *(Band(BandKey(2, i), (0.25, 0.5), (-45.0 + 45 * i, 45.0 * i)) for i in range(4)),
)


@pytest.fixture
def history() -> GainHistory:
    made = GainHistory()
    made.set_layout(LAYOUT)
    return made


def test_mute_is_taken_back_by_a_second_mute_and_by_undo(history: GainHistory) -> None:
    key = BandKey(2, 1)
    history.toggle_mute(key)
    assert history.gains == {key: 0.0}
    history.toggle_mute(key)
    assert history.gains == {}
    history.undo()
    assert history.gains == {key: 0.0}
    history.undo()
    assert history.gains == {}
    assert not history.can_undo
    history.redo()
    assert history.gains == {key: 0.0}


def test_a_new_step_ends_what_could_be_done_again(history: GainHistory) -> None:
    history.toggle_mute(BandKey(1, 0))
    history.undo()
    history.toggle_mute(BandKey(2, 0))
    assert not history.can_redo
    history.redo()
    assert history.gains == {BandKey(2, 0): 0.0}


def test_solo_leaves_one_band_and_a_second_solo_gives_all_back(history: GainHistory) -> None:
    history.toggle_solo([BandKey(2, 2)])
    assert history.gain(BandKey(2, 2)) == 1
    assert all(history.gain(band.key) == 0 for band in LAYOUT if band.key != BandKey(2, 2))
    history.toggle_solo([BandKey(2, 2)])
    assert history.gains == {}


def test_a_drag_is_one_step(history: GainHistory) -> None:
    for gain in (1.1, 1.2, 1.3):
        history.set_gain([BandKey(1, 0)], gain, drag="slider")
    history.end_drag()
    history.set_gain([BandKey(1, 0)], 2.0, drag="slider")
    history.undo()
    assert history.gain(BandKey(1, 0)) == 1.3
    history.undo()
    assert history.gains == {}


def test_every_preset_can_be_had_and_undone(history: GainHistory) -> None:
    history.apply_preset("Low-pass only")
    assert history.gain(BandKey(0, 0)) == 1
    assert all(history.gain(band.key) == 0 for band in LAYOUT[1:])
    history.undo()
    assert history.gains == {}


def test_the_same_bands_keep_their_gains_and_other_bands_start_afresh(history: GainHistory) -> None:
    history.toggle_mute(BandKey(1, 0))
    history.set_layout(LAYOUT)
    assert history.gains == {BandKey(1, 0): 0.0}
    history.set_layout(LAYOUT[:2])
    assert history.gains == {}
    assert not history.can_undo


def test_nothing_is_said_where_nothing_changes(history: GainHistory) -> None:
    heard: list[int] = []
    history.changed.connect(lambda: heard.append(1))
    history.set_gain([BandKey(1, 0)], 1.0)
    history.reset()
    assert not heard
    assert not history.can_undo


def test_decibels_and_factors_are_each_others_inverse() -> None:
    assert decibels(0) == -inf
    assert factor(0.0) == 1.0
    assert decibels(factor(6.5)) == pytest.approx(6.5)
    assert gain_text(0) == "muted"
    assert gain_text(2.0) == "+6.0 dB (×2)"
