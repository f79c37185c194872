"""Loose frames become stacks on one grid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_medfreq.errors import FileError
from napari_medfreq.io.dicomplane import Plane
from napari_medfreq.io.dicomstack import stacks_of

PLANE = Plane(
    path=Path("0.dcm"), frame=0, uid="1", series="1.2", description="", modality="MR", shape=(4, 6), is_colour=False,
    orientation=(0.8, 0.6, 0, -0.6, 0.8, 0), position=(1, 2, 3), spacing=(0.5, 0.75), thickness=2.0, part="",
    order=(0, 0, 0, 0, 0),
)  # fmt: skip


def at(*position: float, **changes: Any) -> Plane:
    return replace(PLANE, position=position, **changes)


def test_every_pixel_of_a_tilted_gantry_keeps_its_place() -> None:
    planes = [at(1, 2 + 0.7 * n, 3 + 2 * n) for n in range(5)]
    (stack,) = stacks_of(planes[::-1])
    assert stack.planes[0] == tuple(planes)
    assert stack.notes == ()
    row, column = np.array(PLANE.orientation).reshape(2, 3)
    for n, plane in enumerate(planes):
        lps = np.array(plane.position) + 5 * 0.75 * row + 3 * 0.5 * column
        np.testing.assert_allclose((stack.affine @ (5, 3, n, 1))[:3], lps * (-1, -1, 1), atol=1e-12)


def test_rounded_directions_are_one_direction_and_other_sizes_are_not() -> None:
    rounded = (0.8001, 0.6, 0, -0.6, 0.7999, 0)
    stacks = stacks_of([at(1, 2, 3), at(1, 2, 5, orientation=rounded), at(1, 2, 7, shape=(8, 8))])
    assert [stack.count for stack in stacks] == [2, 1]


def test_phase_and_magnitude_do_not_mix() -> None:
    stacks = stacks_of([at(1, 2, z, part=part) for z in (3, 5) for part in ("phase", "magnitude")])
    assert [stack.shape for stack in stacks] == [(2, 4, 6), (2, 4, 6)]


def test_files_without_a_place_stand_alone_and_their_frames_do_not() -> None:
    planes = [replace(PLANE, position=None, path=Path(f"{n}.dcm"), frame=f) for n in range(2) for f in range(3)]
    assert [stack.shape for stack in stacks_of(planes)] == [(3, 4, 6), (3, 4, 6)]


def test_two_slabs_far_apart_are_not_filled_up() -> None:
    (stack,) = stacks_of([at(1, 2, z) for z in (0, 2, 200, 202)])
    assert stack.count == len(stack.planes[0]) == 4
    assert "not evenly spaced" in stack.notes[0]


def test_directions_that_span_no_plane_are_refused() -> None:
    with pytest.raises(FileError, match=r"0\.dcm: its header gives directions that span no plane"):
        stacks_of([at(1, 2, 3, orientation=(1, 0, 0, 1, 0, 0)), at(1, 2, 5, orientation=(1, 0, 0, 1, 0, 0))])
