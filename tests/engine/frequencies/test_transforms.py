from __future__ import annotations

import numpy as np
import pytest

from napari_medfreq.engine.frequencies.options import FrequencyOptions
from napari_medfreq.engine.frequencies.transforms import energy_weights, in_units, nyquist, transform_for, unit_of
from napari_medfreq.errors import InputError
from napari_medfreq.transforms.bands import BandKey
from napari_medfreq.transforms.contourlet import Contourlet
from napari_medfreq.transforms.dct import DCT3
from napari_medfreq.transforms.nonsubsampled import NonsubsampledContourlet
from napari_medfreq.transforms.wavelet import Wavelet
from napari_medfreq.volume import Volume

FLAT = Volume(np.zeros((40, 50)), np.diag([0.5, 0.5, 1.0, 1.0]), "yx")
DEEP = Volume(np.zeros((8, 40, 50)), np.diag([0.5, 0.5, 2.0, 1.0]))


def test_options_reach_the_transform() -> None:
    assert transform_for(FrequencyOptions(levels=(2, 4), pyramid="9-7", directional="pkva"), FLAT) == Contourlet(
        (2, 4), "9-7", "pkva"
    )
    assert transform_for(FrequencyOptions("nonsubsampled", levels=(2,)), FLAT) == NonsubsampledContourlet((2,))
    assert transform_for(FrequencyOptions("wavelet", wavelet="db2", scales=2), FLAT) == Wavelet("db2", 2, 2)


def test_volumes_get_transforms_of_three_dimensions() -> None:
    assert transform_for(FrequencyOptions("wavelet", scope="volume"), DEEP) == Wavelet(dims=3)
    assert transform_for(FrequencyOptions("dct", scope="volume"), DEEP) == DCT3(3)


def test_fourier_edges_are_octaves_in_cycles_per_mm() -> None:
    layout = transform_for(FrequencyOptions("fourier", scales=2), FLAT).layout()
    np.testing.assert_allclose([band.frequency for band in layout], [(0, 0.25), (0.25, 0.5), (0.5, 2**0.5)])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (FrequencyOptions("wavelet", wavelet="gabor"), "gabor"),
        (FrequencyOptions(levels=(2,), pyramid="db4"), "db4"),
        (FrequencyOptions("fourier", edges=(0.5, 9.0)), "cycles/mm"),
        (FrequencyOptions("nonsubsampled", levels=(2,), pyramid="db4"), "db4"),
    ],
)
def test_what_there_is_not(options: FrequencyOptions, words: str) -> None:
    with pytest.raises(InputError, match=words):
        transform_for(options, FLAT)


def test_units() -> None:
    transform = transform_for(FrequencyOptions(levels=(0,)), FLAT)
    detail = transform.layout()[1]
    assert in_units(transform, detail, (0.5, 0.5)) == (0.5, 1.0)
    # Where voxels are not cubes the range covers all axes.
    assert in_units(transform, detail, (2.0, 0.5)) == (0.125, 1.0)
    assert (nyquist(FLAT), nyquist(DEEP)) == (1.0, 1.0)
    assert unit_of(FLAT) == "cycles/mm"
    assert unit_of(Volume(FLAT.data, axes="yx", calibrated=False)) == "cycles/px"


def test_bands_of_a_transform_that_does_not_decimate_count_by_their_part_of_the_plane() -> None:
    weights = energy_weights(NonsubsampledContourlet((2, 3)))
    assert sum(weights.values()) == pytest.approx(1.0)
    assert weights[BandKey(0, 0)] == pytest.approx(1 / 16)
    assert weights[BandKey(2, 5)] == pytest.approx(3 / 4 / 8)
    assert energy_weights(Contourlet((2, 3))) == {}
