from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest

from napari_medfreq.errors import DatasetError
from napari_medfreq.train.synthesis.persons import load_study, read_persons, split_persons

from .conftest import CONTRASTS

if TYPE_CHECKING:
    from pathlib import Path

FOUR = ("t1", "t1c", "t2", "flair")


@pytest.fixture
def own(tmp_path: Path, persons: Path) -> Path:
    shutil.copytree(persons / "persons" / "a_0", tmp_path / "a_0")
    return tmp_path


def test_persons_are_kept_out_whole_and_the_same_everywhere(persons: Path) -> None:
    found = read_persons(persons / "persons", CONTRASTS)
    split = split_persons(found, [["a_*"], ["b_*"]], 1, "persons")
    again = split_persons(found[::-1], [["a_*"], ["b_*"]], 1, "persons")
    assert {p.name for p in split.test} == {p.name for p in again.test}
    assert not {p.name for p in split.test} & {p.name for p in split.train}
    assert len(split.test) == 2
    assert len(split.train) == 4


@pytest.mark.data
def test_the_split_of_the_real_persons(data_folder: Path) -> None:
    found = read_persons(data_folder / "mr_multicontrast", FOUR)
    split = split_persons(found, [["lit_ms_*"], ["brats_*", "tcga_*"]], 1, "mr_multicontrast")
    assert [p.name for p in split.test] == ["lit_ms_mni_p26", "brats_met_00110_000"]
    assert len(split.train) == 4


def test_a_stratum_without_members_and_a_split_without_teachers(persons: Path) -> None:
    found = read_persons(persons / "persons", CONTRASTS)
    with pytest.raises(DatasetError, match=r"nobody's name is like c_\*"):
        split_persons(found, [["c_*"]], 1, "persons")
    with pytest.raises(DatasetError, match="nobody is left"):
        split_persons(found, [["a_*"]], 3, "persons")


def test_all_orientations_are_seen_alike(persons: Path, tmp_path: Path) -> None:
    shutil.copytree(persons / "persons" / "a_0", tmp_path / "one" / "p")
    (tmp_path / "two" / "p").mkdir(parents=True)
    for name in CONTRASTS:
        image = nib.load(tmp_path / "one" / "p" / f"{name}.nii.gz")
        turned = image.as_reoriented(nib.orientations.axcodes2ornt("SPL"))
        nib.save(turned, tmp_path / "two" / "p" / f"{name}.nii.gz")
    one, two = (load_study(read_persons(tmp_path / n, CONTRASTS)[0], CONTRASTS) for n in ("one", "two"))
    np.testing.assert_array_equal(one.stacks, two.stacks)
    np.testing.assert_array_equal(one.head, two.head)
    assert 0.5 < one.stacks.max() <= 1
    assert one.stacks.shape[2] % 4 == one.stacks.shape[3] % 4 == 0


@pytest.mark.data
def test_a_drawn_lesion_comes_along(data_folder: Path) -> None:
    persons = read_persons(data_folder / "mr_multicontrast", FOUR)
    person = next(p for p in persons if p.name == "lit_ms_mni_p07")
    study = load_study(person, FOUR)
    assert study.lesions is not None
    drawn = np.asarray(nib.load(person.lesions).dataobj).sum()
    assert study.lesions.sum() == drawn
    assert next(p for p in persons if p.name == "tcga_fg_6692").lesions is None


def test_a_missing_and_a_doubled_contrast_are_named(own: Path) -> None:
    shutil.copy(own / "a_0" / "t1.nii.gz", own / "a_0" / "t1.nii")
    with pytest.raises(DatasetError, match="several files for t1"):
        read_persons(own, CONTRASTS)
    (own / "a_0" / "t1.nii").unlink()
    (own / "a_0" / "t2.nii.gz").unlink()
    with pytest.raises(DatasetError, match="no file for t2"):
        read_persons(own, CONTRASTS)


def test_a_folder_without_persons(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no folders"):
        read_persons(tmp_path, CONTRASTS)
    with pytest.raises(DatasetError, match="no such folder"):
        read_persons(tmp_path / "absent", CONTRASTS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data, affine: (data[:-2], affine), "does not lie on the grid"),
        (lambda data, affine: (data, affine + np.eye(4)[:, [3, 3, 3, 0]] * 0 + np.diag([0.1, 0, 0, 0])), "on the grid"),
        (lambda data, affine: (data * 0, affine), "nothing but zeros"),
        (lambda data, affine: (np.stack([data, data], -1), affine), "not a 3D volume"),
    ],
)
def test_volumes_that_do_not_belong_together(own: Path, change: object, said: str) -> None:
    path = own / "a_0" / "flair.nii.gz"
    image = nib.load(path)
    data, affine = change(np.asarray(image.dataobj), image.affine)  # type: ignore[operator]
    nib.save(nib.Nifti1Image(data, affine), path)
    with pytest.raises(DatasetError, match=said):
        load_study(read_persons(own, CONTRASTS)[0], CONTRASTS)
