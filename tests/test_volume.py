"""The currency of the house: no voxel moves, however it is shown."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from napari_medfreq.errors import InputError
from napari_medfreq.volume import (
    LPS_FROM_RAS,
    Orientation,
    Volume,
    display_orientation,
    obliquity,
    reoriented_affine,
)

SHAPE = (3, 4, 5)  # z, y, x
ORIENTATIONS = [(order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]


def axis_aligned(order: tuple[int, ...], signs: tuple[int, ...]) -> np.ndarray:
    affine = np.zeros((4, 4))
    for voxel, (world, sign, spacing) in enumerate(zip(order, signs, (0.5, 0.75, 3.0), strict=True)):
        affine[world, voxel] = sign * spacing
    affine[:, 3] = (-11, 22, 33, 1)
    return affine


def rotated(affine: np.ndarray, degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    turn, tilt = np.eye(4), np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    tilt[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return turn @ tilt @ affine


def places(data: np.ndarray, affine: np.ndarray) -> dict[int, tuple[float, ...]]:
    """World position of each value, rounded to a nanometre."""
    index = np.argwhere(np.ones(data.shape, bool))
    xyz1 = np.zeros((len(index), 4))
    xyz1[:, : data.ndim], xyz1[:, 3] = index[:, ::-1], 1
    world = xyz1 @ affine.T
    return {int(data[tuple(i)]): tuple(np.round(w[:3], 6) + 0.0) for i, w in zip(index, world, strict=True)}


@pytest.mark.parametrize("degrees", [0, 20])
@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
def test_no_voxel_moves_when_it_is_shown(order: tuple[int, ...], signs: tuple[int, ...], degrees: float) -> None:
    data = np.arange(60).reshape(SHAPE)
    volume = Volume(data, rotated(axis_aligned(order, signs), degrees))
    orientation = display_orientation(volume)
    shown, affine = orientation.apply(data), reoriented_affine(volume, orientation)
    assert places(shown, affine) == places(data, volume.affine)
    np.testing.assert_array_equal(orientation.undo(shown), data)
    # Shown axes run to the left, to the back and to the head, to the nearest axis.
    lps = (LPS_FROM_RAS @ affine)[:3, :3]
    directions = lps / np.linalg.norm(lps, axis=0)
    assert (np.diag(directions) > np.cos(np.radians(45))).all()
    assert np.shares_memory(shown, data)


@pytest.mark.parametrize("axes", ["czyx", "tzyx"])
def test_leading_axes_stay_in_front(axes: str) -> None:
    data = np.arange(120).reshape(2, *SHAPE)
    volume = Volume(data, axis_aligned((2, 0, 1), (1, -1, 1)), axes)
    orientation = display_orientation(volume)
    shown = orientation.apply(data)
    assert shown.shape[0] == 2
    np.testing.assert_array_equal(shown[1], orientation.apply(data[1]))
    np.testing.assert_array_equal(orientation.undo(shown), data)


@pytest.mark.parametrize(
    "volume",
    [
        Volume(np.zeros((4, 5)), np.eye(4), "yx"),
        Volume(np.zeros((2, 4, 5)), np.eye(4), "cyx"),
        Volume(np.zeros(SHAPE), np.eye(4), calibrated=False),
    ],
    ids=["plane", "colours", "stack of pictures"],
)
def test_pictures_keep_the_order_of_their_file(volume: Volume) -> None:
    orientation = display_orientation(volume)
    np.testing.assert_array_equal(reoriented_affine(volume, orientation), volume.affine)
    assert not any(orientation.flips)


def test_a_flipped_plane_stays_in_place() -> None:
    data = np.arange(20).reshape(4, 5)
    volume = Volume(data, axis_aligned((0, 1, 2), (1, 1, 1)), "yx")
    orientation = Orientation((1, 0), (True, False))
    shown = orientation.apply(data)
    assert places(shown, reoriented_affine(volume, orientation)) == places(data, volume.affine)


@pytest.mark.parametrize("degrees", [0, 5, 30, 45])
def test_obliquity_is_the_angle_to_the_nearest_axis(degrees: float) -> None:
    angle = np.radians(degrees)
    affine = np.diag([0.5, 2.0, 3.0, 1.0])
    affine[:2, :2] = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * (0.5, 2.0)
    assert obliquity(affine) == pytest.approx(degrees, abs=1e-5)
    assert obliquity(affine[[1, 2, 0, 3]]) == pytest.approx(degrees, abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axes": "xyz"}, "axes 'xyz' are not one of"),
        ({"axes": "yx"}, "do not have the axes"),
        ({"affine": np.eye(3)}, "finite 4x4"),
        ({"affine": np.diag([np.nan, 1, 1, 1])}, "finite 4x4"),
        ({"affine": np.diag([0.0, 1, 1, 1])}, "plane or a line"),
        ({"channels": ("t1", "t2")}, "2 channel names for 1 channels"),
    ],
)
def test_what_contradicts_itself_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=f"scan: .*{message}"):
        Volume(np.zeros(SHAPE), **({"name": "scan"} | changes))


def test_spacing_follows_the_axes_of_the_data() -> None:
    volume = Volume(np.zeros(SHAPE), axis_aligned((2, 0, 1), (1, -1, 1)))
    assert volume.spacing == (3.0, 0.75, 0.5)
    plane = Volume(np.zeros((4, 5)), volume.affine, "yx", calibrated=False)
    assert (plane.spacing, plane.units, plane.spatial_shape) == ((0.75, 0.5), "pixel", (4, 5))


def test_a_result_is_on_the_grid_of_its_source() -> None:
    source = Volume(np.zeros((2, *SHAPE)), axis_aligned((2, 0, 1), (1, -1, 1)), "czyx", ("t1", "t2"))
    mask = source.like(np.ones(SHAPE, np.uint8), kind="labels")
    assert (mask.axes, mask.channels, mask.kind, mask.n_channels) == ("zyx", (), "labels", 1)
    np.testing.assert_array_equal(mask.affine, source.affine)
    clip = Volume(np.zeros((2, *SHAPE)), axes="tzyx")
    assert clip.like(clip.data > 0).axes == "tzyx"
    maps = source.like(source.data, axes="czyx", channels=("a", "b"))
    assert maps.channels == ("a", "b")
