from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from napari_medfreq.volume import Orientation
from napari_medfreq.widgets.review.places import changed_boxes, shrunk, slices_of, to_shown, to_stored

SHAPE = (5, 6, 7)
BOX = ((1, 3), (0, 4), (5, 7))


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("flips", list(product((False, True), repeat=3)))
def test_a_box_names_the_same_voxels_on_screen_and_in_the_file(order: tuple[int, ...], flips: tuple[bool, ...]) -> None:
    turn = Orientation(order, flips)
    array = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    shown = to_shown(turn, BOX, SHAPE)
    inside = turn.apply(array)[slices_of(shown)]
    assert np.array_equal(turn.undo(inside), array[slices_of(BOX)])
    assert to_stored(turn, shown, SHAPE) == BOX


def test_frames_stay_where_they_are() -> None:
    turn = Orientation((1, 0), (True, False))
    array = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    box = ((2, 3), (1, 2), (0, 4))
    shown = to_shown(turn, box, array.shape)
    assert shown[0] == (2, 3)
    assert np.array_equal(turn.undo(turn.apply(array)[slices_of(shown)]), array[slices_of(box)])
    assert to_stored(turn, shown, array.shape) == box


def test_changed_boxes_are_as_small_as_they_can_be() -> None:
    before = np.zeros((9, 6, 7), np.uint8)
    now = before.copy()
    assert list(changed_boxes(now, before)) == []
    now[1, 2, 3] = now[2, 4, 5] = 1
    now[7, 0, 0] = 1
    assert list(changed_boxes(now, before)) == [((1, 3), (2, 5), (3, 6)), ((7, 8), (0, 1), (0, 1))]
    assert shrunk(now[7:8] != 0, ((7, 8), (0, 6), (0, 7))) == ((7, 8), (0, 1), (0, 1))


def test_changes_reach_to_the_first_and_the_last_plane() -> None:
    before = np.zeros((3, 4), np.uint8)
    assert list(changed_boxes(before + 1, before)) == [((0, 3), (0, 4))]
