"""NRRD and MetaImage, checked with SimpleITK itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK as sitk

from napari_medfreq.errors import FileError
from napari_medfreq.io import files
from napari_medfreq.volume import LPS_FROM_RAS, Volume

if TYPE_CHECKING:
    from pathlib import Path

ENDINGS = [".nrrd", ".mha"]


def itk_image(voxels: np.ndarray, affine: np.ndarray) -> sitk.Image:
    """An ITK image of the array (x, y, z) at the RAS `affine`."""
    image = sitk.GetImageFromArray(voxels.T)
    lps = LPS_FROM_RAS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    return image


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_labelled_voxel_keeps_its_place(
    tmp_path: Path, voxels: np.ndarray, affine: np.ndarray, ending: str
) -> None:
    source = itk_image(voxels, affine)
    sitk.WriteImage(source, str(tmp_path / f"source{ending}"))
    (volume,) = files.read(tmp_path / f"source{ending}")
    np.testing.assert_allclose(volume.affine, affine, atol=1e-12)
    mask = volume.like((volume.data > 100).astype(np.uint8), kind="labels")
    files.write(mask, tmp_path / f"mask{ending}")
    found = sitk.ReadImage(str(tmp_path / f"mask{ending}"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), voxels.T > 100)
    for x, y, z in np.argwhere(voxels > 100).tolist():
        np.testing.assert_allclose(
            found.TransformIndexToPhysicalPoint((x, y, z)), source.TransformIndexToPhysicalPoint((x, y, z)), atol=1e-9
        )
    assert files.read(tmp_path / f"mask{ending}")[0].kind == "labels"


def test_our_world_is_that_of_nibabel(tmp_path: Path, voxels: np.ndarray, affine: np.ndarray) -> None:
    nib = pytest.importorskip("nibabel")
    sitk.WriteImage(itk_image(voxels, affine), str(tmp_path / "source.nrrd"))
    (volume,) = files.read(tmp_path / "source.nrrd")
    files.write(volume, tmp_path / "other.nii.gz")
    image = nib.load(tmp_path / "other.nii.gz")
    np.testing.assert_allclose(image.affine, affine, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(image.dataobj), voxels)


@pytest.mark.parametrize("ending", ENDINGS)
def test_vectors_are_channels_and_a_fourth_dimension_is_time(tmp_path: Path, ending: str) -> None:
    data = np.random.default_rng(0).random((2, 3, 4, 5)).astype(np.float32)
    for axes, is_vector in (("czyx", True), ("tzyx", False)):
        stored = np.moveaxis(data, 0, -1) if is_vector else data
        sitk.WriteImage(sitk.GetImageFromArray(stored, isVector=is_vector), str(tmp_path / f"a{ending}"))
        (volume,) = files.read(tmp_path / f"a{ending}")
        assert volume.axes == axes
        np.testing.assert_array_equal(volume.data, data)
        files.write(volume, tmp_path / f"b{ending}")
        np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / f"b{ending}"))), stored)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_plane_stays_a_plane_and_an_oblique_one_keeps_its_place(tmp_path: Path, ending: str) -> None:
    image = sitk.GetImageFromArray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    image.SetSpacing((0.5, 0.25))
    image.SetOrigin((7, 9))
    sitk.WriteImage(image, str(tmp_path / f"a{ending}"))
    (volume,) = files.read(tmp_path / f"a{ending}")
    assert (volume.axes, volume.spacing) == ("yx", (0.25, 0.5))
    files.write(volume, tmp_path / f"b{ending}")
    again = sitk.ReadImage(str(tmp_path / f"b{ending}"))
    assert (again.GetSize(), again.GetSpacing(), again.GetOrigin()) == ((4, 3), (0.5, 0.25), (7, 9))
    sagittal = np.array([[0, 0, 1.0, 4], [1, 0, 0, 5], [0, -1, 0, 6], [0, 0, 0, 1]])
    files.write(volume.like(volume.data, affine=sagittal), tmp_path / f"c{ending}")
    placed = sitk.ReadImage(str(tmp_path / f"c{ending}"))
    assert placed.GetSize() == (4, 3, 1)
    assert placed.TransformIndexToPhysicalPoint((3, 2, 0)) == (-4, -8, 4)


def test_segmentations_of_3d_slicer_are_labels(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(np.ones((2, 3, 4), np.uint8))
    image.SetMetaData("Segment0_ID", "Segment_1")
    sitk.WriteImage(image, str(tmp_path / "a.seg.nrrd"))
    assert files.read(tmp_path / "a.seg.nrrd")[0].kind == "labels"


def test_without_any_spacing_the_units_are_pixels(tmp_path: Path) -> None:
    header = b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 2 2\nencoding: raw\n\n"
    (tmp_path / "plain.nrrd").write_bytes(header + bytes(8))
    assert not files.read(tmp_path / "plain.nrrd")[0].calibrated


def test_complex_numbers_are_refused_with_a_remedy(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.Image([3, 4, 5], sitk.sitkComplexFloat32), str(tmp_path / "raw.nrrd"))
    with pytest.raises(FileError, match=r"raw\.nrrd holds complex numbers.*magnitude"):
        files.read(tmp_path / "raw.nrrd")


def test_a_sheared_grid_survives(tmp_path: Path) -> None:
    affine = np.array([[1, 0.25, 0, 5], [0, 1, 0.5, 6], [0, 0, 2, 7], [0, 0, 0, 1.0]])
    files.write(Volume(np.ones((3, 4, 5), np.uint8), affine, kind="labels"), tmp_path / "a.nrrd")
    corner = sitk.ReadImage(str(tmp_path / "a.nrrd")).TransformIndexToPhysicalPoint((4, 3, 2))
    np.testing.assert_allclose(corner, (LPS_FROM_RAS @ affine @ (4, 3, 2, 1))[:3], atol=1e-12)
