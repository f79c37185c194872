from __future__ import annotations

import numpy as np
import pytest

from napari_medfreq.engine.anatomy import PLANES, Plane
from napari_medfreq.engine.frequencies.options import FrequencyOptions, Scope
from napari_medfreq.engine.frequencies.pieces import in_three_dimensions, piece_count, pieces, view_of
from napari_medfreq.volume import Axes, Volume

CASES: list[tuple[Axes, tuple[int, ...]]] = [
    ("yx", (5, 6)),
    ("cyx", (3, 5, 6)),
    ("tyx", (3, 5, 6)),
    ("zyx", (4, 5, 6)),
    ("czyx", (2, 4, 5, 6)),
    ("tzyx", (2, 4, 5, 6)),
]


def flipped(axes: Axes, shape: tuple[int, ...]) -> Volume:
    """A volume stored against the display orientation along two axes, so that regions must be turned."""
    return Volume(np.arange(np.prod(shape)).reshape(shape), np.diag([1.0, -2.0, -3.0, 1.0]), axes)


@pytest.mark.parametrize("scope", ["slice", "volume"])
@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize(("axes", "shape"), CASES)
def test_pieces_cover_a_volume_once(axes: Axes, shape: tuple[int, ...], plane: Plane, scope: Scope) -> None:
    volume = flipped(axes, shape)
    options = FrequencyOptions("dct", scope=scope, plane=plane)
    seen = np.zeros(shape, int)
    found = list(pieces(volume, options))
    assert len(found) == piece_count(volume, options)
    for piece in found:
        part = tuple(slice(*bounds) for bounds in piece.region)
        seen[part] += 1
        # The same voxels, whatever their order.
        assert sorted(volume.data[part].ravel()) == sorted(piece.image.data.ravel())
        np.testing.assert_array_equal(view_of(volume, options, piece), piece.image.data)
        assert np.shares_memory(piece.image.data, volume.data)
    assert (seen == 1).all()


@pytest.mark.parametrize(("axes", "shape"), CASES)
def test_only_volumes_have_three_dimensions(axes: Axes, shape: tuple[int, ...]) -> None:
    options = FrequencyOptions("dct", scope="volume")
    assert in_three_dimensions(flipped(axes, shape), options) == ("z" in axes)
    assert not in_three_dimensions(flipped(axes, shape), FrequencyOptions("dct"))


def test_channels_go_together_in_a_plane_and_alone_in_three_dimensions() -> None:
    volume = flipped("czyx", (2, 4, 5, 6))
    (first, *_), (whole, *_) = (
        list(pieces(volume, FrequencyOptions("dct", scope=scope))) for scope in ("slice", "volume")
    )
    assert (first.image.axes, first.image.data.shape) == ("cyx", (2, 5, 6))
    assert (whole.image.axes, whole.image.data.shape) == ("zyx", (4, 5, 6))
