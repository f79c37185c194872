from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_medfreq.engine.anatomy import PLANES, Plane, plane_of
from napari_medfreq.engine.frequencies.analysis import Frequencies
from napari_medfreq.engine.frequencies.images import band_images
from napari_medfreq.engine.frequencies.options import FrequencyOptions, TransformName
from napari_medfreq.errors import Cancelled, InputError
from napari_medfreq.transforms.bands import BandKey
from napari_medfreq.volume import Axes, Volume

if TYPE_CHECKING:
    from collections.abc import Callable

LOW = BandKey(0, 0)


def blob(shape: tuple[int, ...], centre: tuple[float, ...], width: float = 5.0) -> np.ndarray:
    """A bright spot."""
    places = np.indices(shape)
    return np.exp(-sum((axis - at) ** 2 for axis, at in zip(places, centre, strict=True)) / (2 * width**2))


def centre_in_world(volume: Volume) -> np.ndarray:
    """Where the energy of an image lies, in mm."""
    power = np.square(volume.data.astype(float))
    spatial = len(volume.spatial_axes)
    voxel = [float((axis * power).sum() / power.sum()) for axis in np.indices(power.shape)[-spatial:]]
    place: np.ndarray = volume.affine[:3, :3] @ np.array([*voxel[::-1], *([0.0] * (3 - spatial))])
    return place + volume.affine[:3, 3]


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("name", ["contourlet", "nonsubsampled", "wavelet", "block-dct", "fourier"])
def test_bands_lie_on_the_volume_they_come_from(name: TransformName, plane: Plane, sink: Any) -> None:
    affine = np.array([[0, 0, -2.0, 7], [-1.0, 0, 0, 80], [0, 1.0, 0, -3], [0, 0, 0, 1]])
    data = blob((20, 61, 73), (9, 30, 34))
    scan = Volume(data, affine, name="scan")
    options = FrequencyOptions(name, levels=(2, 2), scales=2, plane=plane)
    (low,) = band_images(Frequencies(), scan, options, [LOW], "coefficients", sink)
    np.testing.assert_allclose(centre_in_world(low.image), centre_in_world(scan), atol=1.5)
    if name in ("contourlet", "wavelet"):
        assert low.image.data.size < scan.data.size / 8
        # Voxels are larger in the plane and as they were across.
        across = PLANES.index(plane)
        steps = [low.image.spacing[i] / (2.0, 1.0, 1.0)[i] if i == across else low.image.spacing[i] for i in range(3)]
        assert steps[across] in (0.5, 1.0, 2.0)


@pytest.mark.parametrize("name", ["contourlet", "dct"])
def test_components_add_up_to_the_volume(name: TransformName, sink: Any, volume: Volume) -> None:
    frequencies, options = Frequencies(), FrequencyOptions(name, levels=(0, 2), scales=2, plane="coronal")
    keys = [band.key for band in frequencies.layout(volume, options)]
    found = band_images(frequencies, volume, options, keys, "component", sink)
    assert [band.key for band in found] == keys
    np.testing.assert_allclose(sum(band.image.data for band in found), volume.data, atol=1e-5)
    for band in found:
        assert (band.form, band.image.data.dtype) == ("component", np.float32)
        np.testing.assert_array_equal(band.image.affine, volume.affine)


def test_bands_of_a_plane_are_those_of_the_analysis(sink: Any, photo: Volume) -> None:
    frequencies, options = Frequencies(), FrequencyOptions(levels=(2, 3))
    measures = {measure.key: measure for measure in frequencies.analyse(photo, options, sink).bands}
    for band in band_images(frequencies, photo, options, list(measures), "coefficients", sink):
        assert (band.image.axes, band.image.channels) == (photo.axes, photo.channels)
        assert band.image.data.size == measures[band.key].count
        assert np.square(band.image.data.astype(float)).sum() == pytest.approx(measures[band.key].energy, rel=1e-5)
        assert str(band.key) in band.image.name


def test_volumes_in_three_dimensions(sink: Any) -> None:
    scan = Volume(blob((24, 40, 33), (11, 20, 15)), np.diag([1.0, 1.0, 2.0, 1.0]), "zyx")
    options = FrequencyOptions("wavelet", scales=1, wavelet="haar", scope="volume")
    (low,) = band_images(Frequencies(), scan, options, [LOW], "coefficients", sink)
    assert low.image.data.shape == (12, 20, 17)
    assert low.image.spacing == (4.0, 2.0, 2.0)
    np.testing.assert_allclose(centre_in_world(low.image), centre_in_world(scan), atol=0.6)


@pytest.mark.parametrize(("axes", "shape"), [("tyx", (3, 24, 32)), ("tzyx", (2, 3, 24, 32)), ("czyx", (2, 3, 24, 32))])
def test_frames_and_channels_keep_their_axis(axes: Axes, shape: tuple[int, ...], sink: Any) -> None:
    series = Volume(np.random.default_rng(0).random(shape), axes=axes)
    options = FrequencyOptions("wavelet", scales=1, wavelet="haar")
    (low,) = band_images(Frequencies(), series, options, [LOW], "coefficients", sink)
    assert low.image.axes == axes
    assert low.image.data.shape == (*shape[:-2], 12, 16)
    frame = 1 if axes[0] == "t" else 0
    (alone,) = band_images(Frequencies(), plane_of(series, "axial", 0, frame), options, [LOW], "coefficients", sink)
    np.testing.assert_array_equal(plane_of(low.image, "axial", 0, frame).data, alone.image.data)


def test_unknown_bands_and_cancelling(sink: Any, volume: Volume, stopping_sink: Callable[..., Any]) -> None:
    options = FrequencyOptions(levels=(2,))
    with pytest.raises(InputError, match="no band 3:0"):
        band_images(Frequencies(), volume, options, [BandKey(3, 0)], "component", sink)
    with pytest.raises(Cancelled):
        band_images(Frequencies(), volume, options, [LOW], "component", stopping_sink(Cancelled("enough"), 3))


def test_too_much_at_once(sink: Any) -> None:
    vast = Volume(np.broadcast_to(np.int16(1), (100_000, 2048, 2048)), name="vast")
    options = FrequencyOptions("wavelet", scales=1)
    with pytest.raises(InputError, match="single plane or band"):
        band_images(Frequencies(), vast, options, [LOW, BandKey(1, 0)], "coefficients", sink)
