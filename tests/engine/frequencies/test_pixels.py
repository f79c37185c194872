from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from napari_medfreq.engine.frequencies.pixels import checked, notes_on, to_pixels
from napari_medfreq.errors import InputError
from napari_medfreq.volume import Volume


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint16", "int64", "float16", "float32", "float64", ">i2"])
def test_real_numbers_of_any_type_become_float32(dtype: str) -> None:
    data = np.arange(12).reshape(3, 4).astype(dtype)[:, ::-1]
    pixels = to_pixels(Volume(data, axes="yx"))
    assert pixels.values.dtype == torch.float32
    assert pixels.holes is None
    np.testing.assert_array_equal(pixels.values.numpy(), data.astype(np.float32))
    np.testing.assert_array_equal(pixels.restore(pixels.values), data.astype(np.float32))


def test_the_image_itself_is_left_alone() -> None:
    data = np.array([[1.0, np.nan], [3.0, 4.0]], np.float32)
    before = data.copy()
    pixels = to_pixels(Volume(data, axes="yx"))
    pixels.values.fill_(9.0)
    np.testing.assert_array_equal(data, before)


def test_holes_become_the_mean_of_their_channel_and_come_back() -> None:
    data = np.array([[[1.0, np.nan], [3.0, np.inf]], [[10.0, 20.0], [30.0, -np.inf]]])
    pixels = to_pixels(Volume(data, axes="cyx"))
    np.testing.assert_array_equal(pixels.values.numpy(), [[[1, 2], [3, 2]], [[10, 20], [30, 20]]])
    restored = pixels.restore(pixels.values * 2)
    np.testing.assert_array_equal(np.isnan(restored), ~np.isfinite(data))
    assert restored[1, 0, 1] == 40.0


def test_a_channel_without_numbers_is_empty() -> None:
    data = np.stack([np.full((2, 2), np.nan), np.ones((2, 2))])
    np.testing.assert_array_equal(to_pixels(Volume(data, axes="cyx")).values.numpy(), np.stack([data[1] * 0, data[1]]))


def test_numbers_too_large_for_float32_are_holes_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    pixels = to_pixels(Volume(np.array([[1e300, 2.0], [2.0, 2.0]]), axes="yx"))
    assert pixels.values.tolist() == [[2.0, 2.0], [2.0, 2.0]]
    assert not recwarn.list


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": np.zeros((0, 4))}, "empty"),
        ({"data": np.zeros((4, 4), complex)}, "magnitude"),
        ({"data": np.full((4, 4), "a")}, "not numbers"),
        ({"data": np.zeros((4, 4), np.uint8), "kind": "labels"}, "mask"),
    ],
)
def test_what_is_no_image_is_refused_in_words(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        checked(Volume(axes="yx", name="odd", **changes))


def test_nothing_but_holes() -> None:
    with pytest.raises(InputError, match="no number at all"):
        to_pixels(Volume(np.full((4, 4), np.nan), axes="yx", name="hollow"))


@pytest.mark.parametrize("names", [("red", "green", "blue", "alpha"), ("alpha", "red", "green", "blue")])
def test_transparency_is_left_out(names: tuple[str, ...]) -> None:
    data = np.random.default_rng(0).random((4, 5, 6))
    kept = checked(Volume(data, axes="cyx", channels=names))
    assert kept.channels == ("red", "green", "blue")
    np.testing.assert_array_equal(kept.data, data[[i for i, name in enumerate(names) if name != "alpha"]])


def test_four_contrasts_are_all_kept() -> None:
    volume = Volume(np.zeros((4, 5, 6)), axes="cyx", channels=("t1", "t1c", "t2", "flair"))
    assert checked(volume) is volume


def test_notes() -> None:
    holed = np.random.default_rng(0).random((3, 4, 5))
    holed[1, 2, 3] = np.nan
    assert "1 of 60 voxels are NaN" in notes_on(Volume(holed))[0]
    assert "same value everywhere" in notes_on(Volume(np.full((3, 4, 5), 7)))[0]
    assert notes_on(Volume(np.arange(60).reshape(3, 4, 5))) == []
    assert notes_on(Volume(np.eye(4), axes="yx")) == []
