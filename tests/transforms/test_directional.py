from __future__ import annotations

import numpy as np
import pytest

from napari_medfreq.transforms.directional import half, slopes, wedges


@pytest.mark.parametrize("name", ["pkva", "haar", "meyer"])
@pytest.mark.parametrize("levels", [1, 2, 3, 4, 5])
def test_the_masks_of_all_wedges_add_up_to_the_identity(levels: int, name: str) -> None:
    # Without aliases (H0 G0 + H1 G1 = 2 at each of the branchings) a decimation by 2**levels leaves this sum.
    halves = wedges((64, 48), levels, name)  # type: ignore[arg-type]
    total = sum((part.analysis * part.synthesis).sum(axis=0) for part in halves)
    np.testing.assert_allclose(total, 2.0**levels, atol=1e-11)


@pytest.mark.parametrize("name", ["pkva", "meyer"])
@pytest.mark.parametrize("levels", [1, 2, 3, 4])
def test_wedges_share_the_plane_and_keep_the_variance_of_white_noise(levels: int, name: str) -> None:
    vertical, horizontal = wedges((32, 32), levels, name)  # type: ignore[arg-type]
    assert len(vertical.analysis) == len(horizontal.analysis) == 2 ** (levels - 1)
    assert vertical.decimation == (2, 2 ** (levels - 1))
    assert horizontal.decimation == (2 ** (levels - 1), 2)
    for part in (vertical, horizontal):
        np.testing.assert_allclose((np.abs(part.analysis) ** 2).mean(axis=(1, 2)), 1.0)


@pytest.mark.parametrize("levels", [1, 2, 3, 4, 5])
def test_the_meyer_bank_is_orthonormal(levels: int) -> None:
    for part in wedges((64, 48), levels, "meyer"):
        np.testing.assert_allclose(
            part.synthesis / part.analysis.max(), part.analysis / part.analysis.max(), atol=1e-12
        )


@pytest.mark.parametrize("shape", [(48, 64), (40, 56), (1000, 8)])
def test_the_two_halves_are_the_same_but_for_the_axes(shape: tuple[int, int]) -> None:
    # The orthonormal bank knows no first and second channel, so each half is the other one's transpose.
    vertical, horizontal = half(shape, 3, "meyer", vertical=True), half(shape[::-1], 3, "meyer", vertical=False)
    np.testing.assert_allclose(vertical.analysis, horizontal.analysis.swapaxes(1, 2), atol=1e-11)


@pytest.mark.parametrize("name", ["pkva", "meyer"])
@pytest.mark.parametrize("levels", [2, 3, 4])
def test_each_wedge_lies_around_its_angle(levels: int, name: str) -> None:
    omega = 2 * np.pi * np.fft.fftfreq(128)
    radius = np.hypot(omega[:, None], omega[None, :])
    ring = (radius > 1.2) & (radius < 2.4)
    angle = np.degrees(np.arctan2(omega[:, None], omega[None, :] + 0 * omega[:, None]))
    for vertical in (True, False):
        part = half((128, 128), levels, name, vertical=vertical)  # type: ignore[arg-type]
        for mask, limits in zip(part.analysis, slopes(levels), strict=True):
            slope = np.degrees(np.arctan(sum(limits) / 2))
            centre = 90 - slope if vertical else slope
            weight = np.where(ring, np.abs(mask) ** 2, 0.0)
            # Directions are axes: 0 and 180 degrees are one, hence the doubled angle.
            mean = np.degrees(np.angle((weight * np.exp(2j * np.radians(angle))).sum())) / 2
            assert abs((mean - centre + 90) % 180 - 90) < 180 / 2**levels / 4


def test_slopes_rise_from_minus_one_to_one() -> None:
    assert slopes(1) == ((-1.0, 1.0),)
    assert slopes(3) == ((-1.0, -0.5), (-0.5, 0.0), (0.0, 0.5), (0.5, 1.0))
