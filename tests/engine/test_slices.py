from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
import torch

from napari_medfreq.engine.preprocess import prepare
from napari_medfreq.engine.slices import Planes, cut
from napari_medfreq.errors import InputError
from napari_medfreq.io.models import InputSpec
from napari_medfreq.volume import Orientation, Volume, reoriented_affine

RNG = np.random.default_rng(0)
GREY = InputSpec(("t1",), normalisation="percentile")


def planes_of(volume: Volume, axis: int | None = None) -> Planes:
    return cut(volume, prepare(volume, GREY), axis)


def test_a_volume_is_cut_along_its_coarsest_axis() -> None:
    planes = planes_of(Volume(RNG.random((4, 5, 6)), np.diag([1.0, 3.0, 2.0, 1.0])))
    assert planes.depth == 5
    assert planes.shape == (4, 6)
    assert planes.spacing == (2.0, 1.0)


def test_the_axis_can_be_chosen_as_the_file_counts_it() -> None:
    volume = Volume(RNG.random((4, 5, 6)), np.eye(4)[[2, 0, 1, 3]])
    for axis, depth in enumerate(volume.data.shape):
        assert planes_of(volume, axis).depth == depth
    with pytest.raises(InputError, match="along axis 3"):
        planes_of(volume, 3)


@pytest.mark.parametrize(("order", "flips"), [*product(permutations(range(3)), [(False,) * 3, (True, False, True)])])
def test_any_file_order_gives_the_same_planes(order: tuple[int, ...], flips: tuple[bool, ...]) -> None:
    base = Volume(np.random.default_rng(1).random((4, 5, 6)), np.diag([-1.0, -1.0, 2.0, 1.0]))
    turn = Orientation(order, flips)
    turned = Volume(turn.apply(base.data), reoriented_affine(base, turn))
    expected, got = planes_of(base), planes_of(turned)
    assert torch.equal(got.read(0, 4, 3), expected.read(0, 4, 3))
    result = np.full(turned.data.shape, -1.0)
    for z in range(4):
        before = result.copy()
        (region,) = got.write(result, z, z + 1, base.data[z : z + 1, None])
        # The region is what this step has filled, all of it and nothing else.
        assert (before[tuple(slice(*bounds) for bounds in region)] == -1).all()
        before[tuple(slice(*bounds) for bounds in region)] = result[tuple(slice(*bounds) for bounds in region)]
        assert np.array_equal(before, result)
    assert np.array_equal(result, turned.data)


def test_neighbours_end_where_the_frame_ends() -> None:
    data = np.arange(6.0).reshape(2, 3, 1, 1) * np.ones((2, 3, 4, 4))
    planes = planes_of(Volume(data, axes="tzyx", calibrated=False))
    assert planes.total == 6
    seen = planes.read(1, 5, 3)[:, :, 0, 0]
    low, high = planes.prepared.ranges[0][0]
    expected = np.clip((np.array([[0, 1, 2], [1, 2, 2], [3, 3, 4], [3, 4, 5]]) - low) / (high - low), 0, 1)
    np.testing.assert_allclose(seen, expected, atol=1e-6)


def test_a_batch_across_frames_lies_right() -> None:
    volume = Volume(RNG.random((2, 3, 4, 5)), axes="tzyx", calibrated=False)
    planes = planes_of(volume)
    target = np.zeros(volume.data.shape)
    values = volume.data.reshape(6, 1, 4, 5)[1:5]
    regions = list(planes.write(target, 1, 5, values))
    assert regions == [((0, 1), (1, 3), (0, 4), (0, 5)), ((1, 2), (0, 2), (0, 4), (0, 5))]
    assert np.array_equal(target.reshape(6, 4, 5)[1:5], values[:, 0])
    assert not target[0, 0].any()
    assert not target[1, 2].any()


def test_several_labels_lie_in_front() -> None:
    volume = Volume(RNG.random((4, 5, 6)), np.diag([1.0, 1.0, 2.0, 1.0]))
    planes = planes_of(volume)
    target = np.zeros((2, 4, 5, 6))
    values = np.stack([planes._planes_first(volume.data[None])[0]] * 2, axis=1) * [[[[1.0]], [[2.0]]]]
    assert list(planes.write(target, 0, 4, values)) == [((0, 2), (0, 4), (0, 5), (0, 6))]
    np.testing.assert_allclose(target, np.stack([volume.data, 2 * volume.data]))


def test_grey_is_repeated_and_frames_of_a_film_are_planes() -> None:
    volume = Volume(RNG.random((7, 4, 5)), axes="tyx")
    planes = cut(volume, prepare(volume, InputSpec(("red", "green", "blue"))))
    assert planes.total == 7
    seen = planes.read(2, 4, 1)
    assert seen.shape == (2, 3, 4, 5)
    assert torch.equal(seen[:, 0], seen[:, 2])
