from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_medfreq.engine.anatomy import PLANES, Plane, plane_of
from napari_medfreq.engine.frequencies.model_plane import model_plane
from napari_medfreq.engine.options import SegmentOptions
from napari_medfreq.engine.segmenter import Segmenter
from napari_medfreq.errors import InputError
from napari_medfreq.volume import Volume, display_orientation

if TYPE_CHECKING:
    from napari_medfreq.io.models import ModelFolder

OPTIONS = SegmentOptions(device="cpu", precision="float32")


@pytest.mark.parametrize("plane", PLANES)
def test_its_mask_is_that_of_the_segmentation(
    plane: Plane, volume_model: ModelFolder, volume: Volume, sink: Any
) -> None:
    """A model that looks at three planes and normalises over the volume; the volume lies against the display order."""
    segmenter = Segmenter.open(volume_model.path)
    axis = display_orientation(volume).order[PLANES.index(plane)]
    whole = segmenter.segment(volume, SegmentOptions(device="cpu", precision="float32", axis=axis), sink)
    assert whole.labels.data.any()
    for index in (0, 4):
        seen = model_plane(segmenter, volume, plane, index, sink)
        mask = seen.mask(seen.images(), sink)
        expected = plane_of(whole.labels, plane, index).data
        assert np.mean(mask != expected) < 0.002


def test_pictures(rgb_model: ModelFolder, photo: Volume, sink: Any) -> None:
    segmenter = Segmenter.open(rgb_model.path)
    seen = model_plane(segmenter, photo, "axial", 0, sink)
    np.testing.assert_array_equal(seen.mask(seen.images(), sink), segmenter.segment(photo, OPTIONS, sink).labels.data)
    # 51 x 77 pixels become 64 x 64.
    assert seen.spacing == pytest.approx((51 / 64, 77 / 64))


def test_frames(rgb_model: ModelFolder, photo: Volume, sink: Any) -> None:
    clip = Volume(np.stack([photo.data[0], photo.data[1]]), axes="tyx", calibrated=False, name="clip")
    segmenter = Segmenter.open(rgb_model.path)
    whole = segmenter.segment(clip, OPTIONS, sink).labels.data
    seen = model_plane(segmenter, clip, "axial", 0, sink, frame=1)
    np.testing.assert_array_equal(seen.mask(seen.images(), sink), whole[1])


def test_a_changed_stack_is_seen_instead(rgb_model: ModelFolder, photo: Volume, sink: Any) -> None:
    seen = model_plane(Segmenter.open(rgb_model.path), photo, "axial", 0, sink)
    assert not np.allclose(seen.images(), seen.images(seen.stack.data * 0.5))


def test_what_there_is_not(rgb_model: ModelFolder, photo: Volume, volume: Volume, sink: Any) -> None:
    segmenter = Segmenter.open(rgb_model.path)
    with pytest.raises(InputError, match="there is no plane 7"):
        model_plane(segmenter, volume, "axial", 7, sink)
    with pytest.raises(InputError, match="same value everywhere"):
        model_plane(segmenter, photo.like(photo.data * 0, axes="cyx"), "axial", 0, sink)
