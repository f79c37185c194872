from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_medfreq.engine.anatomy import plane_of
from napari_medfreq.engine.frequencies.spectra import spectra
from napari_medfreq.errors import Cancelled, InputError
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Callable


def test_stripes_peak_at_their_frequency_in_millimetres(sink: Any) -> None:
    columns = np.arange(128) * 0.5  # mm
    stripes = np.tile(1000 + 200 * np.cos(2 * np.pi * 0.25 * columns), (96, 1)).astype(np.int16)
    scan = Volume(stripes, np.diag([0.5, 0.5, 1.0, 1.0]), "yx", name="stripes")
    picture = Volume(stripes, axes="yx", calibrated=False)
    in_mm, in_px = spectra([scan, picture], "axial", sink)
    assert (in_mm.name, in_mm.unit, in_px.unit) == ("stripes", "cycles/mm", "cycles/px")
    assert in_mm.frequency[in_mm.power.argmax()] == pytest.approx(0.25, abs=0.02)
    assert in_px.frequency[in_px.power.argmax()] == pytest.approx(0.125, abs=0.01)
    assert in_mm.frequency[-1] <= 1.0 + 1e-6
    assert (np.diff(in_mm.frequency) > 0).all()
    assert in_mm.power.dtype == in_mm.frequency.dtype == np.float64


def test_noise_is_flat_and_integrates_to_its_variance(sink: Any) -> None:
    noise = Volume(2.0 * np.random.default_rng(0).normal(size=(256, 256)), axes="yx")
    (found,) = spectra([noise], "axial", sink)
    assert found.power[10:].mean() == pytest.approx(4.0, rel=0.05)


def test_a_volume_is_the_mean_of_its_planes(sink: Any, volume: Volume) -> None:
    (whole,) = spectra([volume], "coronal", sink)
    planes = spectra([plane_of(volume, "coronal", i) for i in range(33)], "axial", sink)
    np.testing.assert_allclose(whole.power, np.mean([plane.power for plane in planes], axis=0), rtol=1e-6)
    assert sink.steps[-1][:2] == (33, 33)


def test_colours_are_averaged_and_holes_filled(sink: Any, photo: Volume) -> None:
    channels = [photo.like(photo.data[i], axes="yx") for i in range(3)]
    (whole,) = spectra([photo], "axial", sink)
    parts = spectra(channels, "axial", sink)
    np.testing.assert_allclose(whole.power, np.mean([part.power for part in parts], axis=0), rtol=1e-6)
    holed = photo.data.astype(np.float32)
    holed[:, 4, 4] = np.nan
    (found,) = spectra([photo.like(holed, axes="cyx")], "axial", sink)
    assert np.isfinite(found.power).all()


def test_thin_planes_and_cancelling(sink: Any, volume: Volume, stopping_sink: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match="one pixel thin"):
        spectra([Volume(np.zeros((1, 20, 20)), name="thin")], "coronal", sink)
    with pytest.raises(Cancelled):
        spectra([volume], "axial", stopping_sink(Cancelled("enough"), 2))
