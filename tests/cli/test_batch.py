from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from napari_medfreq.cli.batch import plan, run_case
from napari_medfreq.engine.options import LabelName, Region, Segmentation
from napari_medfreq.errors import FileError, InputError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_medfreq.volume import Volume

AFFINE = np.array([[0.0, 0.8, 0.0, -3.0], [-0.8, 0.0, 0.0, 7.0], [0.0, 0.0, 2.5, 11.0], [0.0, 0.0, 0.0, 1.0]])


def brighter_half(volume: Volume) -> Segmentation:
    """A segmentation that needs no network: what is brighter than the median."""
    data = volume.data.mean(axis=0) if volume.axes[0] == "c" else volume.data
    mask = (data > np.median(data)).astype(np.uint8)
    probability = volume.like(mask.astype(np.float16), kind="probability")
    region = Region(LabelName(1, "bright", "#ffffff"), int(mask.sum()), 1.0, "ml", 1.0, None)
    return Segmentation(
        labels=volume.like(mask, kind="labels"),
        probability=probability,
        uncertainty=probability.like(probability.data, kind="uncertainty"),
        regions=(region,),
        provenance={"model": "brighter-half", "options": {"seed": 3}},
    )


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "scan.nii.gz"
    path.parent.mkdir()
    data = np.random.default_rng(0).normal(size=(7, 6, 5)).astype(np.float32)
    nib.save(nib.Nifti1Image(data, AFFINE), path)
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)).save(path)
    return path


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run(source: Path, output: Path, *extras: str, **options: Any) -> Any:
    (case,) = plan([source], output)
    return run_case(case, brighter_half, extras, **options)


def test_the_mask_lies_voxel_on_voxel_on_its_source(scan: Path, tmp_path: Path) -> None:
    run(scan, tmp_path / "out" / "mask.nii.gz")
    source, mask = nib.load(scan), nib.load(tmp_path / "out" / "mask.nii.gz")
    np.testing.assert_allclose(mask.affine, AFFINE, atol=1e-6)
    data = np.asarray(source.dataobj)
    np.testing.assert_array_equal(np.asarray(mask.dataobj), data > np.median(data))


def test_all_results_carry_the_name_of_their_source(scan: Path, tmp_path: Path) -> None:
    (outcome,) = run(scan, tmp_path / "out", "probability", "uncertainty")
    expected = [
        "scan_probability.nii.gz",
        "scan_seg.nii.gz",
        "scan_seg.nii.gz.provenance.json",
        "scan_uncertainty.nii.gz",
    ]
    assert written(tmp_path / "out") == expected
    assert sorted(path.name for path in outcome.outputs.values()) == expected
    probability = np.asarray(nib.load(tmp_path / "out" / "scan_probability.nii.gz").dataobj)
    assert set(np.unique(probability)) == {0.0, 1.0}


def test_a_picture_becomes_a_png_and_its_fractions_are_not_rounded_to_bytes(photo: Path, tmp_path: Path) -> None:
    run(photo, tmp_path / "out", "probability")
    assert written(tmp_path / "out") == ["photo_probability.tif", "photo_seg.png", "photo_seg.png.provenance.json"]
    with Image.open(tmp_path / "out" / "photo_seg.png") as mask:
        assert mask.size == (30, 20)


def test_provenance_says_what_repeats_the_result(scan: Path, tmp_path: Path) -> None:
    run(scan, tmp_path / "mask.nrrd")
    facts = json.loads((tmp_path / "mask.nrrd.provenance.json").read_text(encoding="utf-8"))
    assert facts["file"] == "mask.nrrd"
    assert facts["model"] == "brighter-half"
    assert facts["options"] == {"seed": 3}
    assert facts["regions"][0]["label"]["name"] == "bright"


def test_what_exists_is_not_replaced_unless_that_is_asked_for(scan: Path, tmp_path: Path) -> None:
    target = tmp_path / "mask.nii.gz"
    target.write_bytes(b"a day of corrections")
    with pytest.raises(FileError, match="--overwrite"):
        run(scan, target)
    assert target.read_bytes() == b"a day of corrections"
    run(scan, target, overwrite=True)
    assert nib.load(target).shape == (7, 6, 5)


def test_the_input_is_never_replaced(scan: Path) -> None:
    before = scan.read_bytes()
    with pytest.raises(FileError, match="input itself"):
        run(scan, scan, overwrite=True)
    assert scan.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_named(scan: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(FileError, match="file"):
        run(scan, tmp_path / "file" / "below")


def test_patients_with_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    sources = [tmp_path / "p1" / "t1.nii.gz", tmp_path / "p2" / "t1.nii.gz", tmp_path / "p2" / "T1.png"]
    for source in sources:
        source.parent.mkdir(exist_ok=True)
        source.touch()
    cases = plan([*sources, sources[0]], tmp_path / "out")
    assert [case.stem for case in cases] == ["p1_t1", "p2_t1", "T1", "p1_t1_2"]


def test_names_that_differ_in_case_only_are_told_apart(tmp_path: Path) -> None:
    sources = [tmp_path / "scan.nii.gz", tmp_path / "SCAN.png"]
    for source in sources:
        source.touch()
    stems = [case.stem.lower() for case in plan(sources, tmp_path / "out")]
    assert len(set(stems)) == 2


def test_several_inputs_need_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder"):
        plan([tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "mask.png")


def test_a_folder_named_like_a_file_is_a_folder(scan: Path, tmp_path: Path) -> None:
    folder = tmp_path / "results.png"
    folder.mkdir()
    run(scan, folder)
    assert written(folder) == ["scan_seg.nii.gz", "scan_seg.nii.gz.provenance.json"]


def test_the_format_of_a_folder_of_masks_can_be_chosen(scan: Path, tmp_path: Path) -> None:
    (case,) = plan([scan], tmp_path / "out", ".nrrd")
    run_case(case, brighter_half)
    assert written(tmp_path / "out") == ["scan_seg.nrrd", "scan_seg.nrrd.provenance.json"]


@pytest.mark.data
def test_each_series_of_a_dicom_folder_becomes_a_mask(data_folder: Path, tmp_path: Path) -> None:
    outcomes = run(data_folder / "dicom" / "brainix", tmp_path / "out")
    assert len(outcomes) == 2
    masks = [outcome.outputs["labels"] for outcome in outcomes]
    assert len({path.name for path in masks}) == 2
    assert sorted(nib.load(path).shape[2] for path in masks) == [10, 22]


@pytest.mark.data
def test_two_series_do_not_fit_into_one_file(data_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 images"):
        run(data_folder / "dicom" / "brainix", tmp_path / "mask.nii.gz")


@pytest.mark.parametrize("name", ["mask.jpg", "mask.JPEG", "mask.bmp", "mask.gif", "mask.hdr", "mask.mgz"])
def test_an_ending_that_cannot_be_written_makes_no_folder_of_that_name(scan: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"{name}: masks cannot be written as .*\.nii\.gz.*\.png"):
        plan([scan], tmp_path / name)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["mask.tif", "mask.nrrd", "mask.dcm", "mask.png"])
def test_an_ending_that_can_be_written_names_the_file(scan: Path, tmp_path: Path, name: str) -> None:
    (case,) = plan([scan], tmp_path / name)
    assert case.target == tmp_path / name


def test_a_folder_may_have_a_dot_in_its_name(scan: Path, tmp_path: Path) -> None:
    (case,) = plan([scan], tmp_path / "trial.2")
    assert (case.target, case.folder) == (None, tmp_path / "trial.2")
