from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_medfreq.volume import Volume
from napari_medfreq.widgets.layers import layers_of
from napari_medfreq.widgets.placement import on_screen

SHAPE = (4, 5, 6)


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("signs", list(product([1, -1], repeat=3)))
def test_a_slice_is_on_screen_exactly_where_its_voxels_are_shown(
    order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[list(order)] * signs * 2.0
    viewer = ViewerModel()
    (layer,) = layers_of(Volume(np.zeros(SHAPE, np.float32), affine))
    viewer.add_layer(layer)
    for axis, size in enumerate(SHAPE):
        for index in range(size):
            region = tuple((index, index + 1) if i == axis else (0, n) for i, n in enumerate(SHAPE))
            marks = np.zeros(SHAPE, np.float32)
            marks[tuple(slice(a, b) for a, b in region)] = 1
            turned = layer.metadata["medfreq"].orientation.apply(marks)
            shown = turned[viewer.dims.current_step[0]]
            assert on_screen(layer, viewer.dims, region) == bool(shown.any())


def test_a_picture_is_always_on_screen() -> None:
    viewer = ViewerModel()
    viewer.add_layer(Image(np.zeros((3, 8, 8))))
    (layer,) = layers_of(Volume(np.zeros((8, 8), np.uint8), axes="yx", calibrated=False))
    viewer.add_layer(layer)
    assert on_screen(layer, viewer.dims, ((0, 4), (0, 8)))
    assert on_screen(layer, viewer.dims, ((0, 1), (0, 4), (0, 8)))
