from __future__ import annotations

import numpy as np
import pytest

from napari_medfreq.nn.aegan_inputs import bounding_box, foreground, planes, scaled, top_intensity


def head(scale: float = 1.0) -> np.ndarray:
    """A bright ball of 300 to 1000 in air."""
    z, y, x = np.ogrid[-12:12, -12:12, -12:12]
    ball = z**2 + y**2 + x**2 < 100
    return np.where(ball, np.random.default_rng(0).uniform(300, 1000, ball.shape), 0) * scale


@pytest.mark.parametrize("scale", [1.0, 1e-3, 40.0])
def test_the_unit_of_a_scanner_does_not_matter(scale: float) -> None:
    np.testing.assert_allclose(scaled(head(scale)), scaled(head()), atol=1e-6)
    assert 0.5 < scaled(head(scale)).max() < 1.0


def test_more_air_or_one_hot_voxel_changes_next_to_nothing() -> None:
    plain = head()
    wide = np.pad(plain, 20)
    assert top_intensity(wide) == pytest.approx(top_intensity(plain))
    hot = plain.copy()
    hot[12, 12, 12] = 1e6
    assert top_intensity(hot) == pytest.approx(top_intensity(plain), rel=0.01)


def test_noise_is_no_head_and_nan_is_nothing() -> None:
    noisy = head() + np.random.default_rng(1).uniform(0, 20, (24, 24, 24))
    assert foreground(noisy).sum() == foreground(head()).sum()
    broken = head()
    broken[0, 0, 0] = np.nan
    assert np.isfinite(scaled(broken)).all()
    assert not foreground(broken)[0, 0, 0]


def test_zeros_stay_zeros() -> None:
    nothing = np.zeros((3, 4, 5), np.int16)
    assert not foreground(nothing).any()
    assert top_intensity(nothing) == 0
    assert not scaled(nothing).any()


def test_the_box_holds_the_head_in_multiples_of_four() -> None:
    mask = np.zeros((9, 21, 30), bool)
    mask[2:5, 3:16, 11:17] = True
    box = bounding_box(mask)
    assert mask[box].sum() == mask.sum()
    assert mask[box].shape == (3, 16, 8)
    assert bounding_box(np.zeros((2, 5, 6), bool)) == (slice(0, 2), slice(0, 5), slice(0, 6))
    edge = np.zeros((1, 7, 8), bool)
    edge[0, 5:, 6:] = True
    assert edge[bounding_box(edge)].shape == (1, 4, 4)


def test_planes_come_with_their_neighbours_in_signed_units() -> None:
    stacks = np.arange(5, dtype=np.float16)[None, :, None, None].repeat(2, 0) / 4 * np.ones((1, 1, 3, 4))
    seen = planes(stacks, np.array([0, 4]), 3)
    assert seen.shape == (2, 2, 3, 3, 4)
    assert seen[0, 1, :, 0, 0].tolist() == [-1.0, -1.0, -0.5]
    assert seen[1, 0, :, 0, 0].tolist() == [0.5, 1.0, 1.0]
