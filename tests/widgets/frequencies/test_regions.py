"""The regions tile the plane of frequencies, each where its band is."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import points_in_poly

from napari_medfreq.transforms.bands import Band, BandKey
from napari_medfreq.widgets.frequencies.regions import Region, regions_of, scale_edges


def contourlet(*levels: int) -> tuple[Band, ...]:
    edges = [0.5 / 2 ** (len(levels) - i) for i in range(len(levels) + 1)]
    bands = [Band(BandKey(0, 0), (0.0, edges[0]), name="low")]
    for scale, level in enumerate(levels, start=1):
        count = 2**level
        for i in range(count):
            angles = (-45 + 180 * i / count, -45 + 180 * (i + 1) / count) if level else None
            bands.append(Band(BandKey(scale, i), (edges[scale - 1], edges[scale]), angles))
    return tuple(bands)


def wavelet(scales: int) -> tuple[Band, ...]:
    bands = [Band(BandKey(0, 0), (0.0, 0.5 / 2**scales), name="LL")]
    for scale in range(1, scales + 1):
        octave = (0.5 / 2 ** (scales - scale + 1), 0.5 / 2 ** (scales - scale))
        bands += [Band(BandKey(scale, i), octave, None, name) for i, name in enumerate(("LH", "HL", "HH"))]
    return tuple(bands)


def covers(region: Region, points: np.ndarray) -> np.ndarray:
    inside = [points_in_poly(points, polygon) for polygon in region.polygons]
    return np.logical_xor.reduce(inside)


@pytest.mark.parametrize("layout", [contourlet(3, 3, 4), contourlet(0, 2), wavelet(3)], ids=["c334", "c02", "wavelet"])
def test_every_frequency_belongs_to_one_band_and_so_does_its_mirror(layout: tuple[Band, ...]) -> None:
    points = np.random.default_rng(0).uniform(-0.999, 0.999, (4000, 2))
    counts = np.zeros(len(points), int)
    for region in regions_of(layout):
        inside = covers(region, points)
        np.testing.assert_array_equal(inside, covers(region, -points))
        counts += inside
    # A point on a shared line may fall to either side.
    assert (counts == 1).mean() > 0.998


def test_rings_tile_the_disc() -> None:
    layout = tuple(Band(BandKey(i, 0), (0.1 * i, 0.1 * (i + 1))) for i in range(5))
    points = np.random.default_rng(0).uniform(-0.7, 0.7, (2000, 2))
    counts = sum(covers(region, points).astype(int) for region in regions_of(layout, "rings"))
    assert (counts == 1).mean() > 0.99
    assert not any(covers(region, np.array([[0.95, 0.95]])).any() for region in regions_of(layout, "rings"))


@pytest.mark.parametrize("layout", [contourlet(3, 3, 4), wavelet(3)])
def test_the_centre_of_a_band_lies_in_it(layout: tuple[Band, ...]) -> None:
    for region in regions_of(layout):
        assert covers(region, np.array([region.centre]))[0], region.key


def test_a_band_lies_in_its_direction_and_a_horizontal_frequency_on_the_right() -> None:
    for region in regions_of(contourlet(3)):
        if region.band.angle is not None:
            x, y = region.centre
            assert region.band.angle[0] < np.degrees(np.arctan2(y, x)) < region.band.angle[1]


def test_high_pass_across_lies_beside_and_high_pass_down_above() -> None:
    regions = {region.band.name: region for region in regions_of(wavelet(1))}
    assert covers(regions["HL"], np.array([[0.75, 0.0], [-0.75, 0.0]])).all()
    assert covers(regions["LH"], np.array([[0.0, 0.75], [0.0, -0.75]])).all()
    assert covers(regions["HH"], np.array([[0.75, 0.75], [-0.75, 0.75]])).all()


def test_cells_of_the_block_dct_are_mirrored_about_the_axes() -> None:
    side = 4
    layout = [
        Band(BandKey(max(u, v), 0), (max(u, v) / 8, (max(u, v) + 1) / 8), name=f"({u}, {v})")
        for u in range(side)
        for v in range(side)
    ]
    points = np.random.default_rng(0).uniform(-0.999, 0.999, (4000, 2))
    counts = sum(covers(region, points).astype(int) for region in regions_of(layout))
    assert (counts == 1).mean() > 0.99


def test_directions_without_an_angle_share_the_plane() -> None:
    layout = [Band(BandKey(0, 0), (0.0, 0.25)), *(Band(BandKey(1, i), (0.25, 0.5), name="LLH") for i in range(7))]
    points = np.random.default_rng(0).uniform(-0.999, 0.999, (2000, 2))
    counts = sum(covers(region, points).astype(int) for region in regions_of(layout))
    assert (counts == 1).mean() > 0.99


def test_every_scale_gets_a_frame_of_the_same_width() -> None:
    places, frequencies = zip(*scale_edges(contourlet(2, 2, 2)), strict=True)
    np.testing.assert_allclose(places, (0.25, 0.5, 0.75, 1.0))
    np.testing.assert_allclose(frequencies, (0.0625, 0.125, 0.25, 0.5))
