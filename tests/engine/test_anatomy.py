from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from napari_medfreq.engine.anatomy import PLANES, Plane, plane_count, plane_of
from napari_medfreq.errors import InputError
from napari_medfreq.volume import Volume, display_orientation

SHAPE = (5, 6, 7)
ORIENTATIONS = [(order, signs) for order in permutations(range(3)) for signs in ((1, 1, 1), (-1, 1, -1), (-1, -1, 1))]


def scan(order: tuple[int, ...] = (0, 1, 2), signs: tuple[int, ...] = (1, 1, 1)) -> Volume:
    """A volume whose voxels say where they lie, stored in any order of axes."""
    affine = np.zeros((4, 4))
    for column, (row, sign) in enumerate(zip(order, signs, strict=True)):
        affine[row, column] = sign * (1.0, 2.0, 3.5)[row]
    affine[:, 3] = (-11.0, 4.0, 2.5, 1.0)
    z, y, x = np.indices(SHAPE)
    return Volume(world(affine, np.stack([x, y, z], -1)), affine, "czyx", name="scan")


def world(affine: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """World coordinates (first axis) of voxel indices x, y, z (last axis)."""
    return np.moveaxis(voxels @ affine[:3, :3].T + affine[:3, 3], -1, 0)


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
def test_pixels_of_a_plane_lie_where_they_lay(plane: Plane, order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    volume = scan(order, signs)
    for index in (0, plane_count(volume, plane) - 1):
        cut = plane_of(volume, plane, index)
        assert cut.axes == "cyx"
        rows, columns = np.indices(cut.spatial_shape)
        places = world(cut.affine, np.stack([columns, rows, np.zeros_like(rows)], -1))
        np.testing.assert_allclose(cut.data, places, atol=1e-9)
        assert np.shares_memory(cut.data, volume.data), "a plane is a view"


def test_planes_are_counted_as_the_viewer_shows_them() -> None:
    for order, signs in ORIENTATIONS:
        volume = scan(order, signs)
        shown = display_orientation(volume).apply(volume.data)
        np.testing.assert_array_equal(plane_of(volume, "axial", 1).data, shown[:, 1])
        np.testing.assert_array_equal(plane_of(volume, "coronal", 2).data, shown[:, :, 2])
        np.testing.assert_array_equal(plane_of(volume, "sagittal", 0).data, shown[:, :, :, 0])


def test_spacing_is_that_of_the_plane() -> None:
    volume = scan()
    assert plane_of(volume, "axial", 0).spacing == (2.0, 1.0)
    assert plane_of(volume, "coronal", 0).spacing == (3.5, 1.0)
    assert plane_of(volume, "sagittal", 0).spacing == (3.5, 2.0)


@pytest.mark.parametrize(("axes", "shape", "wanted"), [("yx", (4, 5), "yx"), ("cyx", (3, 4, 5), "cyx")])
def test_an_image_is_its_own_plane(axes: str, shape: tuple[int, ...], wanted: str) -> None:
    volume = Volume(np.zeros(shape), axes=axes)  # type: ignore[arg-type]
    cut = plane_of(volume, "coronal", 0)
    assert (cut.axes, cut.data.shape, plane_count(volume, "coronal")) == (wanted, shape, 1)


def test_frames_are_cut_one_by_one() -> None:
    data = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    cut = plane_of(Volume(data, axes="tzyx", calibrated=False), "axial", 2, frame=1)
    assert cut.axes == "yx"
    np.testing.assert_array_equal(cut.data, data[1, 2])
    clip = Volume(data[0], axes="tyx")
    np.testing.assert_array_equal(plane_of(clip, "axial", 0, frame=2).data, data[0, 2])


@pytest.mark.parametrize(("index", "frame"), [(5, 0), (-1, 0), (0, 1)])
def test_planes_that_are_not_there(index: int, frame: int) -> None:
    with pytest.raises(InputError, match="counted from 0"):
        plane_of(Volume(np.zeros((5, 6, 7)), name="scan"), "axial", index, frame)
