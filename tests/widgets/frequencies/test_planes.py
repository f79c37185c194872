"""The plane on screen is the one that is read, and what is made of it lies where it lay."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_medfreq.engine.anatomy import plane_of
from napari_medfreq.volume import Volume
from napari_medfreq.widgets.frequencies.planes import (
    ShownPlane,
    in_layer,
    placed,
    plane_index,
    read_plane,
    remember_place,
    shown_plane,
)
from napari_medfreq.widgets.layers import layers_of
from napari_medfreq.widgets.volumes import volume_of

AFFINE = np.array([[0, 0, 2.5, 10], [-0.8, 0, 0, 20], [0, 1.2, 0, -30], [0, 0, 0, 1.0]])


def scan() -> Volume:
    data = np.random.default_rng(0).random((6, 9, 12), dtype=np.float32)
    return Volume(data, AFFINE, channels=("t1",), name="scan")


def shown_in_viewer(layer: Any, order: tuple[int, ...] = (0, 1, 2), step: int = 2) -> ViewerModel:
    viewer = ViewerModel()
    viewer.add_layer(layer)
    viewer.dims.order = order
    viewer.dims.set_current_step(order[0], step)
    return viewer


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1)], ids=["axial", "coronal", "sagittal"])
def test_the_plane_on_screen_is_the_one_the_compute_side_counts(order: tuple[int, ...]) -> None:
    volume = scan()
    (layer,) = layers_of(volume)
    viewer = shown_in_viewer(layer, order)
    shown = shown_plane(layer, viewer.dims)
    assert shown.plane == ("axial", "coronal", "sagittal")[order[0]]
    plane, index, frame = plane_index(shown, volume_of(layer))
    expected = plane_of(volume, plane, index, frame)
    read = read_plane(shown)
    np.testing.assert_array_equal(read.data, expected.data)
    assert read.spacing == pytest.approx(expected.spacing)
    assert read.calibrated


def test_a_plane_can_be_chosen_that_is_not_on_screen() -> None:
    (layer,) = layers_of(scan())
    viewer = shown_in_viewer(layer)
    shown = shown_plane(layer, viewer.dims, "sagittal")
    assert shown.axes == (0, 1)
    np.testing.assert_array_equal(read_plane(shown).data, layer.data[:, :, shown.position[2]])


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
def test_a_result_lies_on_its_plane_also_of_a_layer_that_was_moved_and_turned(order: tuple[int, ...]) -> None:
    layer = Image(np.zeros((6, 9, 12)), scale=(3, 2, 1), translate=(5, 6, 7), rotate=(10, 20, 30), shear=(0.1, 0, 0.2))
    layer.affine = np.array([[1, 0.2, 0, 4], [0, 1, 0, 5], [0, 0, 2, 6], [0, 0, 0, 1.0]])
    axes = tuple(sorted(order[1:]))
    shown = ShownPlane(layer, axes, tuple(4 if axis == order[0] else 0 for axis in range(3)))
    result = Image(in_layer(shown, np.zeros([(6, 9, 12)[axis] for axis in axes])), **placed(shown))
    for corner in ((0, 0), (3, 4)):
        inside = list(shown.position)
        own = [0, 0, 0]
        for axis, value in zip(axes, corner, strict=True):
            inside[axis] = own[axis] = value
        np.testing.assert_allclose(result.data_to_world(own), layer.data_to_world(inside), atol=1e-9)


def test_a_changed_plane_is_exported_where_its_source_was() -> None:
    volume = scan()
    (layer,) = layers_of(volume)
    viewer = shown_in_viewer(layer, (1, 0, 2), 4)
    shown = shown_plane(layer, viewer.dims)
    plane = read_plane(shown)
    result = Image(in_layer(shown, plane.data), **placed(shown))
    remember_place(shown, result)
    exported = volume_of(result)
    assert exported.spatial_shape.count(1) == 1
    for voxel in ((0, 0, 0), (2, 3, 0), (0, 5, 0)):
        index = [min(i, n - 1) for i, n in zip(voxel, exported.spatial_shape, strict=True)]
        world = exported.affine @ [*index[::-1], 1.0]
        stored = np.rint(np.linalg.solve(volume.affine, world))[:3].astype(int)[::-1]
        assert exported.data[tuple(index)] == volume.data[tuple(stored)]


def test_of_a_lazy_layer_only_the_plane_is_computed() -> None:
    read: list[int] = []

    def block(block_info: Any = None) -> np.ndarray:
        read.append(block_info[None]["chunk-location"][0])
        return np.zeros((1, 8, 8), np.int16)

    lazy = da.map_blocks(block, chunks=((1,) * 40, (8,), (8,)), dtype=np.int16, meta=np.zeros((0, 0, 0), np.int16))
    layer = Image(lazy, contrast_limits=(0, 1))
    viewer = shown_in_viewer(Image(np.zeros((40, 8, 8))), step=7)
    read.clear()
    read_plane(shown_plane(layer, viewer.dims))
    assert read == [7]


def test_colours_come_first_and_alpha_is_left_out() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 4), dtype=np.uint8)
    layer = Image(pixels, rgb=True)
    plane = read_plane(shown_plane(layer, ViewerModel().dims))
    assert plane.axes == "cyx"
    np.testing.assert_array_equal(plane.data, np.moveaxis(pixels[..., :3], -1, 0))
    assert not plane.calibrated


def test_frames_of_a_volume_are_counted() -> None:
    layer = Image(np.arange(3 * 4 * 5 * 6).reshape(3, 4, 5, 6))
    viewer = ViewerModel()
    viewer.add_layer(layer)
    viewer.dims.set_current_step(0, 2)
    viewer.dims.set_current_step(1, 3)
    shown = shown_plane(layer, viewer.dims)
    np.testing.assert_array_equal(read_plane(shown).data, layer.data[2, 3])
    assert plane_index(shown, volume_of(layer)) == ("axial", 3, 2)
