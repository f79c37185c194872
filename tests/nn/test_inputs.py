from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_medfreq.nn.inputs import (
    acquisition_axis,
    intensity_range,
    luminance,
    neighbours,
    normalise,
    pad,
    padded_size,
    resample_size,
    rescale,
    resize,
)


def test_bytes_keep_their_scale() -> None:
    out = normalise(np.array([[0, 51, 255]], np.uint8), "unit")
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, [[0.0, 0.2, 1.0]], rtol=1e-6)


@pytest.mark.parametrize(("dtype", "top"), [("float32", 1.0), ("float64", 0.5), ("bool", 1)])
def test_numbers_within_0_and_1_keep_their_scale(dtype: str, top: float) -> None:
    values = np.array([0, top], dtype)
    np.testing.assert_allclose(normalise(values, "unit"), [0.0, top])


@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", "uint16", "int32", "uint64", "float16", "float32", "float64", ">i2", ">f4"]
)
def test_percentiles_give_the_same_picture_in_every_dtype(dtype: str) -> None:
    values = np.arange(200).reshape(10, 20)
    expected = np.clip((values - 0.995) / (198.005 - 0.995), 0, 1)
    np.testing.assert_allclose(normalise(values.astype(dtype), "percentile"), expected, atol=1e-3)


def test_the_scale_of_mr_does_not_matter() -> None:
    values = np.random.default_rng(0).gamma(2.0, 100.0, (20, 20, 20))
    np.testing.assert_allclose(normalise(values, "percentile"), normalise(values * 1e3 + 7, "percentile"), atol=1e-5)


def test_large_numbers_do_not_lose_their_differences() -> None:
    values = np.array([2**40, 2**40 + 1, 2**40 + 2], np.int64)
    np.testing.assert_allclose(rescale(values, 2**40, 2**40 + 2), [0, 0.5, 1])


def test_what_is_not_finite_counts_as_zero_and_does_not_move_the_range() -> None:
    values = np.linspace(-1, 1, 1001)
    dirty = np.concatenate([values, [np.nan, np.inf, -np.inf]])
    assert intensity_range(dirty, "percentile") == intensity_range(values, "percentile")
    np.testing.assert_allclose(normalise(dirty, "percentile")[-3:], 0.5, atol=1e-6)


def test_a_dot_on_black_is_still_seen() -> None:
    values = np.zeros((50, 50), np.int16)
    values[7, 8] = 900
    assert normalise(values, "percentile")[7, 8] == 1.0


@pytest.mark.parametrize("method", ["unit", "percentile"])
@pytest.mark.parametrize("value", [7.0, np.nan])
def test_a_constant_becomes_black(method: str, value: float) -> None:
    assert not normalise(np.full((4, 4), value), method).any()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "spacing", "axis"),
    [
        ((9, 9, 9), (1, 1, 1), 0),
        ((9, 9, 9), (1, 3, 1), 1),
        ((9, 9, 9), (0.999, 1.0, 1.0), 0),
        ((30, 30, 1), (5, 1, 1), 2),
    ],
)
def test_a_volume_is_cut_as_it_was_acquired(shape: tuple[int, ...], spacing: tuple[float, ...], axis: int) -> None:
    assert acquisition_axis(shape, spacing) == axis


def test_each_plane_sees_its_neighbours_from_below_to_above() -> None:
    stack = torch.arange(4.0)[:, None, None, None].expand(4, 2, 1, 1) + torch.tensor([0.0, 0.5])[:, None, None]
    seen = neighbours(stack, 3)[:, :, 0, 0]
    assert seen[0].tolist() == [0, 0.5, 0, 0.5, 1, 1.5]
    assert seen[2].tolist() == [1, 1.5, 2, 2.5, 3, 3.5]
    assert seen[3].tolist() == [2, 2.5, 3, 3.5, 3, 3.5]
    assert neighbours(stack[:, 0], 5).shape == (4, 5, 1, 1)


def test_resizing_keeps_the_place_and_the_brightness() -> None:
    image = torch.zeros(1, 1, 60, 80)
    image[..., 30:, :40] = 1.0
    small = resize(image, 20)
    assert small.shape == (1, 1, 20, 20)
    torch.testing.assert_close(small.mean(), image.mean(), atol=1e-3, rtol=0)
    torch.testing.assert_close(resize(small, (60, 80))[..., 35:, :30], torch.ones(1, 1, 25, 30), atol=2e-2, rtol=0)
    assert resize(image, (60, 80)) is image


def test_a_checkerboard_does_not_alias() -> None:
    board = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).repeat(32, 32)[None, None]
    assert resize(board, 21).std() < 0.1


def test_padding_repeats_the_edge() -> None:
    image = torch.rand(1, 1, 33, 1)
    padded = pad(image, padded_size((33, 1)))
    assert padded.shape == (1, 1, 64, 32)
    assert torch.equal(padded[..., :33, :1], image)
    assert torch.equal(padded[0, 0, -1], image[0, 0, -1].expand(32))


def test_a_padded_side_is_a_multiple_of_32_and_not_below_the_least() -> None:
    assert padded_size((33, 32)) == (64, 32)
    assert padded_size((33, 300), 128) == (128, 320)


def test_resampled_planes_have_at_least_a_pixel() -> None:
    assert resample_size((100, 1), (0.5, 0.1), 1.0) == (50, 1)


def test_green_is_brighter_than_red_and_red_than_blue() -> None:
    colours = np.eye(3, dtype=np.uint8) * 255
    grey = luminance(colours)
    assert grey.dtype == np.uint8
    np.testing.assert_array_equal(grey, [[76, 150, 29]])
    np.testing.assert_allclose(luminance(np.ones((3, 2, 2), np.float32)), np.ones((1, 2, 2)), rtol=1e-6)
