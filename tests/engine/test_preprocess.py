from __future__ import annotations

import numpy as np
import pytest

from napari_medfreq.engine.preprocess import prepare
from napari_medfreq.errors import InputError
from napari_medfreq.io.models import InputSpec
from napari_medfreq.volume import Volume

RGB = InputSpec(("red", "green", "blue"))
RNG = np.random.default_rng(0)
GREY = InputSpec(("t1",), normalisation="percentile")
FOUR = InputSpec(("t1", "t1c", "t2", "flair"), normalisation="percentile")


def channels(count: int, names: tuple[str, ...] = (), dtype: str = "float32") -> Volume:
    data = np.random.default_rng(0).random((count, 5, 6)) * 200
    return Volume(data.astype(dtype), axes="cyx", channels=names, name="scan")


def test_colours_are_seen_as_they_are() -> None:
    volume = channels(3, ("red", "green", "blue"), "uint8")
    prepared = prepare(volume, RGB)
    assert prepared.data.shape == (1, 3, 5, 6)
    assert np.shares_memory(prepared.data, volume.data)
    assert prepared.ranges == (((0.0, 255.0),) * 3,)
    assert not prepared.notes


def test_colours_in_another_order_are_put_right() -> None:
    volume = channels(3, ("blue", "green", "red"))
    assert np.array_equal(prepare(volume, RGB).data[0], volume.data[::-1])


def test_transparency_is_left_out() -> None:
    volume = channels(4, ("red", "green", "blue", "alpha"))
    prepared = prepare(volume, RGB)
    assert np.array_equal(prepared.data[0], volume.data[:3])
    assert "transparency" in prepared.notes[0]


@pytest.mark.parametrize("axes", ["yx", "tyx", "zyx", "tzyx", "cyx"])
def test_grey_is_repeated_for_a_model_of_colours(axes: str) -> None:
    shape = {"t": 2, "z": 3, "y": 4, "x": 5, "c": 1}
    prepared = prepare(Volume(RNG.random([shape[a] for a in axes]), axes=axes), RGB)  # type: ignore[arg-type]
    assert prepared.repeat == 3
    assert prepared.data.shape[:2] == (2 if "t" in axes else 1, 1)


def test_colours_become_luminance_for_a_model_of_one_channel() -> None:
    volume = channels(3, ("red", "green", "blue"), "uint8")
    prepared = prepare(volume, GREY)
    red, green, blue = volume.data.astype(float)
    np.testing.assert_allclose(prepared.data[0, 0], 0.299 * red + 0.587 * green + 0.114 * blue, atol=0.51)
    assert "luminance" in prepared.notes[0]


def test_contrasts_are_found_by_name() -> None:
    volume = channels(5, ("FLAIR", "T2", "pd", "T1", "T1c"))
    prepared = prepare(volume, FOUR)
    assert np.array_equal(prepared.data[0], volume.data[[3, 4, 1, 0]])
    assert "pd" in prepared.notes[0]


def test_one_contrast_is_found_by_name() -> None:
    volume = channels(2, ("flair", "t1"))
    assert np.array_equal(prepare(volume, GREY).data[0, 0], volume.data[1])


def test_contrasts_without_the_right_names_are_taken_in_order_and_said_so() -> None:
    assert prepare(channels(4), FOUR).notes == ()
    assert "a as t1" in prepare(channels(4, ("a", "b", "c", "d")), FOUR).notes[0]


def test_a_model_of_one_channel_sees_several_one_by_one() -> None:
    prepared = prepare(channels(2, ("a", "b")), GREY)
    assert prepared.lead == "c"
    assert prepared.data.shape == (2, 1, 5, 6)
    assert prepared.ranges[0] != prepared.ranges[1]
    assert "one by one" in prepared.notes[0]


def test_frames_share_their_range() -> None:
    frames = np.stack([RNG.random((5, 6)), 10 * RNG.random((5, 6))])
    prepared = prepare(Volume(frames, axes="tyx"), GREY)
    assert prepared.lead == "t"
    assert prepared.ranges[0] == prepared.ranges[1]


@pytest.mark.parametrize(
    ("volume", "spec", "words"),
    [
        (channels(5), RGB, "5 channels for a 3-channel model"),
        (channels(2, ("red", "green")), RGB, r"2 channels \(red, green\) for a 3-channel model"),
        (Volume(np.ones((4, 4)), axes="yx", name="scan"), FOUR, "1 channel for a 4-channel model.*t1, t1c, t2, flair"),
        (Volume(np.ones((0, 4, 4)), name="scan"), GREY, "scan is empty"),
        (Volume(np.ones((4, 4, 4), complex), name="scan"), GREY, "complex numbers"),
        (Volume(np.full((4, 4, 4), np.nan), name="scan"), GREY, "every voxel is NaN"),
        (Volume(np.full((4, 4, 4), "a"), name="scan"), GREY, "not numbers"),
        (Volume(np.ones((4, 4, 4), np.uint8), kind="labels", name="scan"), GREY, "is a mask"),
    ],
    ids=["5", "2", "grey", "empty", "complex", "nan", "text", "mask"],
)
def test_what_does_not_fit_is_refused_by_name(volume: Volume, spec: InputSpec, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        prepare(volume, spec)
    assert "scan" in str(caught.value)


def test_some_nan_are_taken_as_zero_and_said_so() -> None:
    data = RNG.random((4, 4, 4))
    data[0, 0, :3] = np.nan, np.inf, -np.inf
    assert "3 of 64 voxels" in prepare(Volume(data), GREY).notes[0]


def test_a_constant_image_is_said_to_be_one() -> None:
    assert prepare(Volume(np.full((4, 4, 4), 3)), GREY).constant
    assert not prepare(Volume(RNG.random((4, 4, 4))), GREY).constant


def test_a_white_photograph_is_not_taken_for_an_image_without_a_scale() -> None:
    """Bytes have a scale of their own, so even one grey level is an image; it is still constant."""
    volume = Volume(np.full((3, 4, 4), 255, np.uint8), axes="cyx", channels=("red", "green", "blue"))
    assert prepare(volume, RGB).constant
