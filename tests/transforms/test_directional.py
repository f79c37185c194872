from __future__ import annotations

import numpy as np
import pytest

from napari_medfreq.transforms.directional import wedges


@pytest.mark.parametrize("name", ["pkva", "haar"])
@pytest.mark.parametrize("levels", [2, 3, 4, 5])
def test_the_masks_of_all_wedges_add_up_to_the_identity(levels: int, name: str) -> None:
    # Without aliases (H0 G0 + H1 G1 = 2 at each of the branchings) a decimation by 2**levels leaves this sum.
    halves = wedges((64, 32), levels, name)
    total = sum((half.analysis * half.synthesis).sum(axis=0) for half in halves)
    np.testing.assert_allclose(total, 2.0**levels, atol=1e-11)


@pytest.mark.parametrize("levels", [2, 3, 4])
def test_wedges_share_the_plane_and_keep_the_variance_of_white_noise(levels: int) -> None:
    vertical, horizontal = wedges((32, 32), levels, "pkva")
    assert len(vertical.analysis) == len(horizontal.analysis) == 2 ** (levels - 1)
    assert vertical.decimation == (2, 2 ** (levels - 1))
    assert horizontal.decimation == (2 ** (levels - 1), 2)
    for half in (vertical, horizontal):
        np.testing.assert_allclose((np.abs(half.analysis) ** 2).mean(axis=(1, 2)), 1.0)


@pytest.mark.parametrize("levels", [2, 3, 4])
def test_each_wedge_lies_around_its_angle(levels: int) -> None:
    omega = 2 * np.pi * np.fft.fftfreq(128)
    radius = np.hypot(omega[:, None], omega[None, :])
    ring = (radius > 1.2) & (radius < 2.4)
    angle = np.degrees(np.arctan2(omega[:, None], omega[None, :] + 0 * omega[:, None]))
    for half in wedges((128, 128), levels, "pkva"):
        for mask, centre in zip(half.analysis, half.angles, strict=True):
            weight = np.where(ring, np.abs(mask) ** 2, 0.0)
            # Directions are axes: 0 and 180 degrees are one, hence the doubled angle.
            mean = np.degrees(np.angle((weight * np.exp(2j * np.radians(angle))).sum())) / 2
            assert abs((mean - centre + 90) % 180 - 90) < 180 / 2**levels / 4
            assert -45 <= centre < 135
