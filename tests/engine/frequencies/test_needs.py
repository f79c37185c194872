from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_medfreq.engine.anatomy import plane_of
from napari_medfreq.engine.frequencies.analysis import Frequencies
from napari_medfreq.engine.frequencies.model_plane import model_plane
from napari_medfreq.engine.frequencies.needs import mean_dice, needs
from napari_medfreq.engine.frequencies.options import FrequencyOptions
from napari_medfreq.engine.segmenter import Segmenter
from napari_medfreq.errors import Cancelled, InputError
from napari_medfreq.transforms.bands import BandKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_medfreq.engine.frequencies.model_plane import ModelPlane
    from napari_medfreq.io.models import ModelFolder
    from napari_medfreq.volume import Volume

OPTIONS = FrequencyOptions(levels=(0, 2))


@pytest.fixture
def seen(rgb_model: ModelFolder, photo: Volume, sink: Any) -> ModelPlane:
    return model_plane(Segmenter.open(rgb_model.path), photo, "axial", 0, sink)


def test_each_band_is_muted_in_turn(seen: ModelPlane, photo: Volume, sink: Any) -> None:
    frequencies = Frequencies()
    found = needs(seen, photo, frequencies, OPTIONS, sink)
    assert [str(need.key) for need in found.bands] == ["0:0", "1:0", "2:0", "2:1", "2:2", "2:3"]
    for need in found.bands:
        changed = frequencies.filtered(seen.stack, OPTIONS, {need.key: 0.0}, sink).data
        without = seen.mask(seen.images(changed), sink)
        assert need.dice == pytest.approx(mean_dice(found.mask.data, without))
        assert need.pixels == np.count_nonzero(without)
    # The model tells dark from bright: without the low-pass band there is neither.
    assert found.bands[0].dice < min(need.dice for need in found.bands[1:])
    assert found.pixels > 0


def test_results_arrive_one_by_one(seen: ModelPlane, photo: Volume, sink: Any) -> None:
    keys = (BandKey(2, 3), BandKey(0, 0))
    found = needs(seen, photo, Frequencies(), OPTIONS, sink, keys)
    assert [need.key for need in found.bands] == [BandKey(0, 0), BandKey(2, 3)]
    assert sink.regions == [("dice", ((0, 1),)), ("dice", ((1, 2),))]
    assert sink.arrays["dice"].tolist() == [need.dice for need in found.bands]
    assert [step[0] for step in sink.steps][-1] == sink.steps[-1][1] == 3


def test_neighbours_are_changed_as_well(volume_model: ModelFolder, volume: Volume, sink: Any) -> None:
    plane = model_plane(Segmenter.open(volume_model.path), volume, "axial", 3, sink)
    assert len(plane.stack.data) == 3
    found = needs(plane, plane_of(volume, "axial", 3), Frequencies(), OPTIONS, sink, (BandKey(0, 0),))
    assert found.mask.data.shape == (33, 41)
    assert found.mask.kind == "labels"
    np.testing.assert_allclose(found.mask.affine, plane_of(volume, "axial", 3).affine)


def test_cancelled_between_bands(seen: ModelPlane, photo: Volume, stopping_sink: Callable[..., Any]) -> None:
    sink = stopping_sink(Cancelled("enough"), patience=4)
    with pytest.raises(Cancelled):
        needs(seen, photo, Frequencies(), OPTIONS, sink)
    assert len(sink.regions) < 6


def test_bands_that_are_not_there(seen: ModelPlane, photo: Volume, sink: Any) -> None:
    with pytest.raises(InputError, match="no band 5:0"):
        needs(seen, photo, Frequencies(), OPTIONS, sink, (BandKey(5, 0),))


def test_dice_is_the_mean_over_the_labels_of_either_mask() -> None:
    one = np.array([[1, 1, 2, 2]], np.uint8)
    assert mean_dice(one, one) == 1.0
    assert mean_dice(one, np.array([[1, 0, 2, 2]], np.uint8)) == pytest.approx((2 / 3 + 1) / 2)
    assert mean_dice(one, np.array([[1, 1, 3, 3]], np.uint8)) == pytest.approx(1 / 3)
    assert mean_dice(one * 0, one * 0) == 1.0
