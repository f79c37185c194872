from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from napari_medfreq.errors import FileError
from napari_medfreq.io.models import LabelName
from napari_medfreq.io.review import RegionVoxels, ReviewCase, ReviewRegion, check_source, new_case, put, voxel_digest
from napari_medfreq.volume import Volume

REGION = ReviewRegion(1, ((0, 2), (3, 5), (1, 9)), (1, 4, 5), 20, 2.5, "mm³", 1, 0.7, 9.5, 0.02, 0.001)


def image(value: int = 0) -> Volume:
    affine = np.diag([0.5, 0.7, 3.0, 1.0])
    return Volume(np.full((4, 6, 10), value, np.int16), affine, source=Path("study/t1.nii.gz"), name="t1")


def mask() -> Volume:
    return image().like(np.zeros((4, 6, 10), np.uint8), kind="labels", name="t1 mask")


def test_a_case_comes_back_from_json_as_it_was() -> None:
    case = new_case("t1", image(), mask())
    case = ReviewCase(**{**vars(case), "labels": (LabelName(1, "tumour", "#ff0000"),), "regions": (REGION,)})
    restored = ReviewCase.from_dict(json.loads(json.dumps(case.to_dict())))
    assert restored.regions == (REGION,)
    assert restored.labels == case.labels
    assert np.array_equal(restored.grid.affine, case.grid.affine)
    assert restored.grid.data.shape == (4, 6, 10)
    assert restored.grid.data.dtype == np.uint8
    assert restored.grid.source == Path("study/t1.nii.gz")
    assert ReviewRegion.from_dict(json.loads(json.dumps(asdict(REGION)))) == REGION


def test_ids_are_file_names_and_never_meet() -> None:
    taken: set[str] = set()
    for name in ("T1 / axial: 3", "t1 / axial: 3", "", "...", "x" * 300):
        case = new_case(name, image(), mask(), taken)
        assert case.id.lower() not in {other.lower() for other in taken}
        assert 0 < len(case.id) <= 70
        assert set(case.id) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
        taken.add(case.id)


def test_a_changed_image_is_noticed_by_its_voxels_only() -> None:
    case = new_case("t1", image(), mask())
    check_source(case, image())
    with pytest.raises(FileError, match=r"t1\.nii\.gz has changed since the review of t1 began"):
        check_source(case, image(1))


def test_the_digest_tells_shape_and_type() -> None:
    one = Volume(np.zeros((2, 8), np.uint8), axes="yx")
    assert voxel_digest(one) != voxel_digest(Volume(np.zeros((4, 4), np.uint8), axes="yx"))
    assert voxel_digest(one) != voxel_digest(Volume(np.zeros((2, 4), np.uint16), axes="yx"))
    turned = Volume(np.arange(12).reshape(3, 4).T, axes="yx")
    assert voxel_digest(turned) == voxel_digest(Volume(np.ascontiguousarray(turned.data), axes="yx"))


def test_put_writes_a_box() -> None:
    labels = np.zeros((3, 4), int)
    put(labels, (1, 2), np.array([[5, 6]]))
    assert labels.tolist() == [[0, 0, 0, 0], [0, 0, 5, 6], [0, 0, 0, 0]]


def test_regions_know_their_voxels_without_a_map() -> None:
    numbers = np.zeros((3, 4, 5), np.int32)
    numbers[0, 1, 1:3] = 2
    numbers[2, 3, 4] = 1
    before = np.random.default_rng(0).integers(0, 3, numbers.shape, dtype=np.uint8)
    voxels = RegionVoxels.of(numbers, before)
    for number in (1, 2):
        assert np.array_equal(voxels.of_region(number), np.flatnonzero(numbers == number))
    assert voxels.touched(np.arange(numbers.size)) == [1, 2]
    assert voxels.touched(np.flatnonzero(numbers == 0)) == []
    assert voxels.touched(np.array([6, 59])) == [1, 2]
    now = before.copy()
    now[numbers == 0] += 1
    assert not voxels.differs(1, now)
    now[0, 1, 2] += 1
    assert [voxels.differs(number, now) for number in (1, 2)] == [False, True]


def test_no_region_owns_nothing() -> None:
    voxels = RegionVoxels.of(np.zeros((2, 3), np.int32), np.zeros((2, 3), np.uint8))
    assert voxels.touched(np.arange(6)) == []
