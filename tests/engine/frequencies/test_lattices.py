from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from napari_medfreq.engine.frequencies.lattices import Lattice, lattice_of
from napari_medfreq.transforms.block_dct import BlockDCT
from napari_medfreq.transforms.contourlet import Contourlet
from napari_medfreq.transforms.dct import DCT2
from napari_medfreq.transforms.fourier import FourierBands
from napari_medfreq.transforms.nonsubsampled import NonsubsampledContourlet
from napari_medfreq.transforms.wavelet import Wavelet

SHAPE = (150, 131)  # no multiple of any step
POINTS = 48


@pytest.mark.parametrize(
    "transform",
    [
        Contourlet((0, 2)),
        Contourlet((3, 3)),
        Contourlet((1, 4)),
        Contourlet((2, 3), "9-7", "pkva"),
        NonsubsampledContourlet((2, 3)),
        Wavelet("haar", 2),
        Wavelet("bior4.4", 2),
        Wavelet("db4", 3),
        BlockDCT(8),
    ],
    ids=str,
)
def test_coefficients_of_a_point_gather_around_it(transform: Any) -> None:
    rng = np.random.default_rng(0)
    places = np.stack([rng.integers(50, length - 50, POINTS) for length in SHAPE], 1)
    image = torch.zeros(POINTS, *SHAPE, dtype=torch.float64)
    image[range(POINTS), places[:, 0], places[:, 1]] = 1.0
    parts = transform.split(transform(image))
    for band in transform.layout():
        lattice = lattice_of(transform, band)
        assert lattice is not None
        part, lattice = lattice.on_image(parts[band.key], SHAPE)
        power = part.square().numpy()
        for axis in (0, 1):
            along = power.sum(2 - axis)
            held = along.sum(1) > 0
            position = lattice.offset[axis] + lattice.step[axis] * np.arange(along.shape[1])
            centre = (along @ position)[held] / along.sum(1)[held]
            error = (centre - places[held, axis]).mean() / lattice.step[axis]
            # A single point may lie anywhere between two coefficients; on average they are where it is.
            assert abs(error) < 0.2, f"{band.key}, axis {axis}: off by {error:.2f} steps"


def test_frequencies_have_no_place() -> None:
    for transform in (DCT2(2), FourierBands((0.1,))):
        assert all(lattice_of(transform, band) is None for band in transform.layout())


def test_what_lies_beyond_the_image_is_left_out() -> None:
    part = torch.arange(10.0)[None, :].expand(3, 10)
    kept, lattice = Lattice((1.0, 4.0), (0.0, -5.0)).on_image(part, (3, 20))
    # -5 and -1 lie before the first pixel, 23 behind the last.
    assert kept[0].tolist() == [2.0, 3.0, 4.0, 5.0, 6.0]
    assert lattice.offset == (0.0, 3.0)


def test_something_is_left_of_a_very_small_image() -> None:
    kept, _ = Lattice((16.0, 16.0), (8.0, 8.0)).on_image(torch.zeros(4, 4), (3, 3))
    assert kept.shape == (1, 1)


def test_affine_in_the_world() -> None:
    affine = np.diag([0.5, 0.7, 3.0, 1.0])
    affine[:3, 3] = (1.0, 2.0, 3.0)
    placed = Lattice((4.0, 2.0), (1.0, 3.0)).stacked(0).affine(affine)
    np.testing.assert_allclose(np.diag(placed), [1.0, 2.8, 3.0, 1.0])
    np.testing.assert_allclose(placed[:3, 3], [1.0 + 0.5 * 3.0, 2.0 + 0.7 * 1.0, 3.0])
