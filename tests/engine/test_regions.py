from __future__ import annotations

import numpy as np
import pytest

from napari_medfreq.engine.regions import measure, voxel_size
from napari_medfreq.io.models import LabelName
from napari_medfreq.volume import Volume

A, B, C = LabelName(1, "a", "#ffffff"), LabelName(4, "b", "#000000"), LabelName(9, "c", "#123456")


def test_millilitres_of_an_oblique_volume() -> None:
    angle = np.radians(30)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    volume = Volume(np.zeros((4, 5, 6)), turn @ np.diag([0.5, 2.0, 3.0, 1.0]))
    assert voxel_size(volume) == (pytest.approx(0.003), "ml")


def test_square_millimetres_and_pixels() -> None:
    assert voxel_size(Volume(np.zeros((5, 6)), np.diag([0.5, 2.0, 9.0, 1]), "yx")) == (pytest.approx(1.0), "mm²")
    assert voxel_size(Volume(np.zeros((4, 5, 6)), calibrated=False)) == (1.0, "px")


def test_each_label_has_its_row() -> None:
    labels = np.zeros((2, 3, 4), np.uint8)
    labels[0], labels[1, 0] = 1, 4
    probability = np.zeros((3, 2, 3, 4), np.float16)
    probability[0, 0], probability[1, 1, 0] = 0.75, 0.5
    uncertainty = np.full((2, 3, 4), 0.25, np.float16)
    rows = measure(Volume(np.zeros((2, 3, 4))), (A, B, C), labels, probability, uncertainty)
    assert [(r.label.name, r.voxels, r.size_unit) for r in rows] == [("a", 12, "ml"), ("b", 4, "ml"), ("c", 0, "ml")]
    assert rows[0].size == pytest.approx(0.012)
    assert [r.mean_probability for r in rows] == [0.75, 0.5, None]
    assert [r.mean_uncertainty for r in rows] == [0.25, 0.25, None]
    assert measure(Volume(np.zeros((2, 3, 4))), (A,), labels, probability[0], None)[0].mean_uncertainty is None


def test_sizes_of_a_film_are_those_of_a_frame() -> None:
    labels = np.ones((5, 2, 2), np.uint8)
    film = Volume(np.zeros((5, 2, 2)), axes="tyx")
    (row,) = measure(film, (A,), labels, np.ones((5, 2, 2), np.float16), None)
    assert row.voxels == 20
    assert row.size == pytest.approx(4.0)


def test_the_mean_of_many_halves_does_not_overflow() -> None:
    labels = np.ones((400, 400), np.uint8)
    (row,) = measure(Volume(np.zeros((400, 400)), axes="yx"), (A,), labels, np.full((400, 400), 0.9, np.float16), None)
    assert row.mean_probability == pytest.approx(0.9, abs=1e-3)
