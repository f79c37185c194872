"""DICOM series, checked with pydicom's own view of each file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from scipy.spatial import cKDTree

from napari_medfreq.errors import FileError
from napari_medfreq.io import dicom, files

if TYPE_CHECKING:
    from collections.abc import Callable


def world_of_bright_pixels(folder: Path, threshold: float) -> np.ndarray:
    """RAS mm of every pixel over `threshold`, from the tags of each file alone (DICOM PS3.3 C.7.6.2.1.1)."""
    found = []
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        row, column = np.array(dataset.ImageOrientationPatient, float).reshape(2, 3)
        between_rows, between_columns = map(float, dataset.PixelSpacing)
        r, c = np.nonzero(dataset.pixel_array > threshold)
        lps = np.array(dataset.ImagePositionPatient, float) + np.outer(c * between_columns, row)
        found.append((lps + np.outer(r * between_rows, column)) * (-1, -1, 1))
    return np.concatenate(found)


@pytest.mark.data
@pytest.mark.parametrize(("series", "shape"), [("T2", (22, 512, 512)), ("FLAIR", (10, 288, 288))])
def test_a_mask_of_a_real_series_lies_on_its_slices_as_nifti(
    tmp_path: Path, data_folder: Path, series: str, shape: tuple[int, ...]
) -> None:
    folder = data_folder / "dicom" / "brainix" / series
    (volume,) = files.read(folder)
    assert (volume.axes, volume.data.shape, volume.header["notes"]) == ("zyx", shape, [])
    threshold = float(volume.data.max()) / 2
    files.write(volume.like((volume.data > threshold).astype(np.uint8), kind="labels"), tmp_path / "mask.nii.gz")
    mask = nib.load(tmp_path / "mask.nii.gz")
    found = nib.affines.apply_affine(mask.affine, np.argwhere(np.asarray(mask.dataobj) > 0))
    wanted = world_of_bright_pixels(folder, threshold)
    assert len(found) == len(wanted) > 1000
    distances, partners = cKDTree(wanted).query(found)
    assert distances.max() < 1e-3  # the header's own rounding, in mm
    assert len(set(partners.tolist())) == len(wanted)


@pytest.mark.data
def test_a_folder_of_two_series_lists_and_opens_each(data_folder: Path) -> None:
    folder = data_folder / "dicom" / "brainix"
    listed = dicom.list_series(folder)
    assert {(info.modality, info.count, info.shape) for info in listed} == {
        ("MR", 22, (22, 512, 512)),
        ("MR", 10, (10, 288, 288)),
    }
    assert {volume.data.shape for volume in files.read(folder)} == {info.shape for info in listed}
    (only,) = files.read(folder, series=listed[0].uid)
    assert (only.data.shape, only.name) == (listed[0].shape, listed[0].description)
    with pytest.raises(FileError, match=r"holds no series 1.2.3"):
        files.read(folder, series="1.2.3")


@pytest.mark.data
def test_the_names_of_the_files_do_not_matter(tmp_path: Path, data_folder: Path) -> None:
    folder = data_folder / "dicom" / "brainix" / "FLAIR"
    names = [f"{(n * 7) % 10}" for n in range(10)]
    for name, path in zip(names, sorted(folder.iterdir()), strict=True):
        shutil.copy(path, tmp_path / name)
    (volume,), (again,) = files.read(folder), files.read(tmp_path)
    np.testing.assert_array_equal(volume.data, again.data)
    np.testing.assert_array_equal(volume.affine, again.affine)


def stack(write_slice: Callable[..., Path], places: list[float], **tags: Any) -> Path:
    for number, z in enumerate(places):
        path = write_slice(f"series/{number:02}.dcm", np.full((4, 6), 10 + number, np.uint16), z, **tags)
    return path.parent


def test_slices_are_ordered_by_place_and_carry_their_origin(write_slice: Callable[..., Path]) -> None:
    (volume,) = files.read(stack(write_slice, [4, 0, 6, 2]))
    assert volume.data[:, 0, 0].tolist() == [11, 13, 10, 12]
    np.testing.assert_allclose(volume.affine @ (2, 3, 1, 1), (10 - 1.5, 20 - 1.5, 2, 1))
    planes = volume.header["dicom"]["planes"][0]
    assert [Path(plane["path"]).name for plane in planes] == ["01.dcm", "03.dcm", "00.dcm", "02.dcm"]
    assert pydicom.dcmread(planes[0]["path"]).SOPInstanceUID == planes[0]["uid"]


def test_a_missing_slice_is_shown_empty_at_its_place(write_slice: Callable[..., Path]) -> None:
    (volume,) = files.read(stack(write_slice, [0, 2, 6, 8]))
    assert volume.data[:, 0, 0].tolist() == [10, 11, 10, 12, 13]
    assert volume.spacing[0] == pytest.approx(2)
    assert "1 of 5 slices are missing" in volume.header["notes"][0]
    assert volume.header["dicom"]["planes"][0][2] is None


def test_uneven_slices_are_owned_up_to(write_slice: Callable[..., Path]) -> None:
    (volume,) = files.read(stack(write_slice, [0, 2, 3.1, 6, 8]))
    assert volume.data.shape == (5, 4, 6)
    assert "not evenly spaced (1.10 to 2.90 mm)" in volume.header["notes"][0]


def test_a_duplicate_is_left_out_and_reported(write_slice: Callable[..., Path]) -> None:
    (volume,) = files.read(stack(write_slice, [0, 2, 2, 4]))
    assert volume.data[:, 0, 0].tolist() == [10, 11, 13]
    assert "1 images lie at the place of another" in volume.header["notes"][0]


def test_images_at_the_same_places_are_frames(write_slice: Callable[..., Path]) -> None:
    for number, (z, time) in enumerate([(0, 2), (2, 2), (0, 1), (2, 1), (0, 3), (2, 3)]):
        pixels = np.full((4, 6), time * 10 + z, np.uint16)
        path = write_slice(f"dynamic/{number}.dcm", pixels, z, TemporalPositionIdentifier=time)
    (volume,) = files.read(path.parent)
    assert volume.axes == "tzyx"
    assert volume.data[:, :, 0, 0].tolist() == [[10, 12], [20, 22], [30, 32]]


def test_a_localiser_in_two_directions_becomes_two_volumes(write_slice: Callable[..., Path]) -> None:
    folder = stack(write_slice, [0, 2, 4])
    for z in (0, 5):
        write_slice(
            f"series/sagittal{z}.dcm",
            np.zeros((4, 6), np.uint16),
            ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
            ImagePositionPatient=[z, 0, 0],
        )
    axial, sagittal = dicom.list_series(folder)
    assert (axial.count, sagittal.count, sagittal.uid) == (3, 2, f"{axial.uid}#2")
    assert files.read(folder, series=sagittal.uid)[0].spacing == (5, 0.5, 0.75)


def test_one_slice_is_a_plane_where_it_lies(write_slice: Callable[..., Path]) -> None:
    path = write_slice("a.dcm", np.arange(24, dtype=np.uint16).reshape(4, 6), 7)
    (volume,) = files.read(path)
    assert (volume.axes, volume.data.shape, volume.spacing) == ("yx", (4, 6), (0.5, 0.75))
    np.testing.assert_allclose(volume.affine @ (5, 3, 0, 1), (10 - 5 * 0.75, 20 - 3 * 0.5, 7, 1))


def enhanced(write_slice: Callable[..., Path], places: list[float]) -> Path:
    """A multi-frame file with functional groups."""
    frames = []
    for number, z in enumerate(places):
        place, scale, group = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [-10, -20, z]
        scale.RescaleSlope, scale.RescaleIntercept = number + 1, -1
        group.PlanePositionSequence, group.PixelValueTransformationSequence = [place], [scale]
        frames.append(group)
    direction, measures, shared = Dataset(), Dataset(), Dataset()
    direction.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing, measures.SliceThickness = [0.5, 0.75], 2
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [direction], [measures]
    return write_slice(
        "enhanced.dcm",
        np.full((len(places), 4, 6), 10, np.uint16),
        NumberOfFrames=len(places),
        PerFrameFunctionalGroupsSequence=frames,
        SharedFunctionalGroupsSequence=[shared],
        ImagePositionPatient=None,
        ImageOrientationPatient=None,
        PixelSpacing=None,
        SliceThickness=None,
    )


def test_the_frames_of_an_enhanced_file_are_placed_and_scaled_one_by_one(write_slice: Callable[..., Path]) -> None:
    (volume,) = files.read(enhanced(write_slice, [4, 0, 2]))
    assert (volume.axes, volume.spacing) == ("zyx", (2, 0.5, 0.75))
    assert volume.data[:, 0, 0].tolist() == [19, 29, 9]
    assert [plane["frame"] for plane in volume.header["dicom"]["planes"][0]] == [1, 2, 0]


def test_a_clip_has_frames_and_its_colours_turn_grey(write_slice: Callable[..., Path]) -> None:
    tags = {"NumberOfFrames": 3, "ImagePositionPatient": None, "ImageOrientationPatient": None}
    clip = np.random.default_rng(0).integers(0, 255, (3, 4, 6)).astype(np.uint8)
    (volume,) = files.read(write_slice("a.dcm", clip, **tags))
    assert (volume.axes, volume.calibrated) == ("tyx", True)
    np.testing.assert_array_equal(volume.data, clip)
    colours = np.zeros((3, 4, 6, 3), np.uint8)
    colours[..., 0] = 100
    (volume,) = files.read(write_slice("b.dcm", colours, **tags, PixelSpacing=None))
    assert (volume.axes, volume.calibrated, np.unique(volume.data).tolist()) == ("tyx", False, [30])
    assert "grey" in volume.header["notes"][0]


def test_what_is_no_image_says_what_it_is(write_slice: Callable[..., Path]) -> None:
    path = write_slice("report.dcm", np.zeros((4, 4), np.uint16), Rows=None, Columns=None, PixelData=None)
    with pytest.raises(FileError, match=r"report\.dcm holds no image but a MR Image Storage"):
        files.read(path)
