"""NIfTI, checked with nibabel and SimpleITK, never with our own reader alone."""

from __future__ import annotations

import gzip
import struct
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from napari_medfreq.errors import FileError
from napari_medfreq.io import files
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from pathlib import Path


def save(path: Path, data: np.ndarray, affine: np.ndarray, header: nib.Nifti1Header | None = None) -> Path:
    nib.save(nib.Nifti1Image(data, affine, header), path)
    return path


def export_mask(source: Path, target: Path, threshold: float = 100) -> Path:
    """What a user does: open, segment, save."""
    (volume,) = files.read(source)
    mask = volume.like((volume.data > threshold).astype(np.uint8), kind="labels", name="mask")
    files.write(mask, target)
    return target


def world_of(image: nib.Nifti1Image, where: np.ndarray) -> np.ndarray:
    index = np.argwhere(where)[:, :3]
    index = np.pad(index, ((0, 0), (0, 3 - index.shape[1])))
    return nib.affines.apply_affine(image.affine, index)


def assert_mask_lies_on_source(source: Path, mask: Path, threshold: float = 100) -> None:
    before, after = nib.load(source), nib.load(mask)
    wanted = before.get_fdata() > threshold
    found = np.asarray(after.dataobj) > 0
    assert wanted.any()
    assert not wanted.all()
    assert after.shape == before.shape
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(world_of(after, found), world_of(before, wanted))
    one, other = sitk.ReadImage(str(source)), sitk.ReadImage(str(mask))  # another program agrees
    assert (one.GetSize(), one.GetOrigin(), one.GetSpacing(), one.GetDirection()) == (
        other.GetSize(),
        other.GetOrigin(),
        other.GetSpacing(),
        other.GetDirection(),
    )


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_every_labelled_voxel_keeps_its_place(
    tmp_path: Path, voxels: np.ndarray, affine: np.ndarray, ending: str
) -> None:
    source = save(tmp_path / f"source{ending}", voxels, affine)
    assert_mask_lies_on_source(source, export_mask(source, tmp_path / f"mask{ending}"))


@pytest.mark.parametrize("codes", [(0, 1), (1, 0), (0, 0), (1, 2), (4, 1)], ids=str)
def test_whichever_form_places_the_source_places_the_mask(
    tmp_path: Path, voxels: np.ndarray, codes: tuple[int, int]
) -> None:
    qform, sform = codes
    image = nib.Nifti1Image(voxels, None)
    place = np.array([[0, 0, 3.0, -7], [-0.5, 0, 0, 8], [0, 0.75, 0, 9], [0, 0, 0, 1]])
    image.header.set_qform(place, qform)
    place[:3, 3] += 5  # the two forms may contradict each other
    image.header.set_sform(place, sform)
    nib.save(image, tmp_path / "source.nii.gz")
    mask = export_mask(tmp_path / "source.nii.gz", tmp_path / "mask.nii.gz")
    assert_mask_lies_on_source(tmp_path / "source.nii.gz", mask)
    header = nib.load(mask).header
    assert (int(header["qform_code"]), int(header["sform_code"])) == codes


def test_scaled_integers_become_the_numbers_that_they_stand_for(tmp_path: Path, voxels: np.ndarray) -> None:
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_slope_inter(0.25, -3.0)
    source = save(tmp_path / "source.nii.gz", voxels * 0.25 - 3.0, np.diag([2.0, 1, 1, 1]), header)
    (volume,) = files.read(source)
    assert volume.data.dtype == np.float32
    np.testing.assert_allclose(volume.data.T, nib.load(source).get_fdata(), atol=1e-4)
    assert_mask_lies_on_source(source, export_mask(source, tmp_path / "mask.nii.gz", 20), 20)


def test_big_endian_files_are_read_in_native_order(tmp_path: Path, voxels: np.ndarray, affine: np.ndarray) -> None:
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(np.dtype(">i2"))
    source = save(tmp_path / "source.nii", voxels.astype(">i2"), affine, header)
    assert source.read_bytes()[:4] == struct.pack(">i", 348)
    (volume,) = files.read(source)
    assert volume.data.dtype == np.int16
    assert volume.data.dtype.isnative
    assert_mask_lies_on_source(source, export_mask(source, tmp_path / "mask.nii"))


def test_a_plane_stays_a_plane(tmp_path: Path, voxels: np.ndarray) -> None:
    source = save(tmp_path / "source.nii.gz", voxels[:, :, 0], np.diag([-0.5, 0.75, 1, 1]))
    (volume,) = files.read(source)
    assert (volume.axes, volume.data.shape, volume.spacing) == ("yx", (6, 7), (0.75, 0.5))
    assert_mask_lies_on_source(source, export_mask(source, tmp_path / "mask.nii.gz"))


def test_the_fourth_dimension_is_time_and_its_step_is_kept(
    tmp_path: Path, voxels: np.ndarray, affine: np.ndarray
) -> None:
    image = nib.Nifti1Image(np.stack([voxels, voxels[::-1], -voxels], axis=-1), affine)
    image.header.set_zooms((*image.header.get_zooms()[:3], 2.5))
    nib.save(image, tmp_path / "source.nii.gz")
    (volume,) = files.read(tmp_path / "source.nii.gz")
    assert (volume.axes, volume.data.shape) == ("tzyx", (3, 5, 6, 7))
    np.testing.assert_array_equal(volume.data[1].T, voxels[::-1])
    mask = export_mask(tmp_path / "source.nii.gz", tmp_path / "mask.nii.gz")
    assert_mask_lies_on_source(tmp_path / "source.nii.gz", mask)
    assert nib.load(mask).header.get_zooms()[3] == 2.5


@pytest.mark.parametrize("intent", ["vector", "none"])
def test_the_fifth_dimension_is_channels(tmp_path: Path, voxels: np.ndarray, intent: str) -> None:
    image = nib.Nifti1Image(np.stack([voxels, -voxels], axis=-1)[:, :, :, np.newaxis], np.eye(4))
    image.header.set_intent(intent)
    nib.save(image, tmp_path / "source.nii")
    (volume,) = files.read(tmp_path / "source.nii")
    assert (volume.axes, volume.data.shape, len(volume.channels)) == ("czyx", (2, 5, 6, 7), 2)
    np.testing.assert_array_equal(volume.data[1].T, -voxels)
    files.write(volume, tmp_path / "again.nii")
    np.testing.assert_array_equal(nib.load(tmp_path / "again.nii").dataobj, image.dataobj)


def test_colours_stored_as_records_are_channels(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (7, 6, 5, 3)).astype(np.uint8)
    records = colours.view([("R", "u1"), ("G", "u1"), ("B", "u1")]).squeeze(-1)
    source = save(tmp_path / "source.nii.gz", records, np.eye(4))
    (volume,) = files.read(source)
    assert (volume.axes, volume.channels) == ("czyx", ("red", "green", "blue"))
    np.testing.assert_array_equal(volume.data, np.moveaxis(colours, -1, 0).transpose(0, 3, 2, 1))


def test_lengths_in_micrometres_are_millimetres_on_screen(tmp_path: Path, voxels: np.ndarray) -> None:
    image = nib.Nifti1Image(voxels, np.diag([500.0, 500, 2000, 1]))
    image.header.set_xyzt_units("micron")
    nib.save(image, tmp_path / "source.nii")
    (volume,) = files.read(tmp_path / "source.nii")
    assert volume.spacing == (2.0, 0.5, 0.5)
    assert_mask_lies_on_source(tmp_path / "source.nii", export_mask(tmp_path / "source.nii", tmp_path / "mask.nii"))


def test_a_sheared_grid_is_written_whole_and_no_quaternion_contradicts_it(tmp_path: Path) -> None:
    affine = np.array([[1, 0.25, 0, 5], [0, 1, 0.5, 6], [0, 0, 2, 7], [0, 0, 0, 1.0]])
    files.write(Volume(np.ones((3, 4, 5), np.uint8), affine, kind="labels"), tmp_path / "mask.nii.gz")
    image = nib.load(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(image.affine, affine)
    assert int(image.header["qform_code"]) == 0


def test_a_changed_affine_is_not_overwritten_by_the_source_header(tmp_path: Path, voxels: np.ndarray) -> None:
    (volume,) = files.read(save(tmp_path / "source.nii", voxels, np.eye(4)))
    moved = np.diag([2.0, 2, 2, 1])
    files.write(volume.like(volume.data, affine=moved), tmp_path / "moved.nii")
    image = nib.load(tmp_path / "moved.nii")
    np.testing.assert_array_equal(image.get_sform(), moved)
    np.testing.assert_array_equal(image.get_qform(), moved)
    np.testing.assert_array_equal(image.header.get_zooms(), (2, 2, 2))


def test_labels_come_back_as_labels_and_images_as_images(tmp_path: Path, voxels: np.ndarray) -> None:
    volume = Volume(np.abs(voxels.T).astype(np.int64), kind="labels")
    files.write(volume, tmp_path / "mask.nii.gz")
    image = nib.load(tmp_path / "mask.nii.gz")
    assert image.header.get_intent()[0] == "label"
    assert bytes(image.header["descrip"]).startswith(b"napari-medfreq labels")
    assert image.get_data_dtype() == np.uint16  # the smallest that holds 500
    (again,) = files.read(tmp_path / "mask.nii.gz")
    assert again.kind == "labels"
    np.testing.assert_array_equal(again.data, volume.data)
    source = save(tmp_path / "brain_seg.nii.gz", voxels, np.eye(4))
    assert files.read(source)[0].kind == "image"  # a name is no proof


@pytest.mark.parametrize("kind", ["probability", "uncertainty"])
def test_maps_keep_their_kind_and_half_precision_becomes_single(tmp_path: Path, kind: str) -> None:
    data = np.random.default_rng(0).random((3, 4, 5)).astype(np.float16)
    files.write(Volume(data, kind=kind), tmp_path / "map.nii.gz")
    assert nib.load(tmp_path / "map.nii.gz").get_data_dtype() == np.float32
    (again,) = files.read(tmp_path / "map.nii.gz")
    assert again.kind == kind
    np.testing.assert_array_equal(again.data, data)


def test_axes_too_long_for_the_first_version_are_written_in_the_second(tmp_path: Path) -> None:
    files.write(Volume(np.ones((1, 1, 40000), np.uint8), kind="labels"), tmp_path / "long.nii")
    image = nib.load(tmp_path / "long.nii")
    assert isinstance(image, nib.Nifti2Image)
    assert image.shape == (40000, 1, 1)
    assert files.read(tmp_path / "long.nii")[0].data.shape == (1, 1, 40000)


def test_header_and_voxels_may_lie_in_two_files(tmp_path: Path, voxels: np.ndarray) -> None:
    nib.save(nib.Nifti1Pair(voxels, np.eye(4)), tmp_path / "pair.hdr")
    for name in ("pair.hdr", "pair.img"):
        np.testing.assert_array_equal(files.read(tmp_path / name)[0].data.T, voxels)
    (tmp_path / "pair.img").unlink()
    with pytest.raises(FileError, match=r"pair\.img, is missing"):
        files.read(tmp_path / "pair.hdr")


def header_of(shape: tuple[int, ...], bits: int = 64, code: int = 64) -> bytes:
    header = nib.Nifti1Header()
    header["dim"] = [len(shape), *shape] + [1] * (7 - len(shape))
    header["datatype"], header["bitpix"], header["vox_offset"] = code, bits, 352
    header["magic"] = b"n+1"
    header["pixdim"][:4] = 1
    return header.binaryblock + b"\0" * 4


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_header_that_announces_more_than_the_file_holds_is_refused_at_once(tmp_path: Path, ending: str) -> None:
    content = header_of((2000, 2000, 1250)) + b"\0" * 1700  # 40 GB on 2 kB
    path = tmp_path / f"huge{ending}"
    path.write_bytes(content if ending == ".nii" else gzip.compress(content))
    with pytest.raises(FileError, match=r"huge\.nii.*40 GB") as caught:
        files.read(path)
    assert "again" in str(caught.value)


@pytest.mark.parametrize("keep", [0.3, 0.9, 0.999])
def test_a_truncated_gzip_says_so(tmp_path: Path, keep: float) -> None:
    source = save(tmp_path / "whole.nii.gz", np.random.default_rng(0).random((20, 20, 20)), np.eye(4))
    content = source.read_bytes()
    (tmp_path / "part.nii.gz").write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(FileError, match=r"part\.nii\.gz is cut short"):
        files.read(tmp_path / "part.nii.gz")


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    source = save(tmp_path / "scan.nii.gz", np.random.default_rng(0).random((20, 20, 20)), np.eye(4))
    content = bytearray(source.read_bytes())
    content[len(content) // 2] ^= 16
    source.write_bytes(content)
    with pytest.raises(FileError, match=r"damaged"):
        files.read(source)


@pytest.mark.parametrize("shape", [(0, 5, 5), (5, 5, 0)], ids=str)
def test_an_axis_without_length_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    (tmp_path / "flat.nii").write_bytes(header_of(shape) + b"\0" * 2000)
    with pytest.raises(FileError, match=r"flat\.nii holds no image"):
        files.read(tmp_path / "flat.nii")


def test_complex_numbers_are_refused_with_a_remedy(tmp_path: Path) -> None:
    source = save(tmp_path / "kspace.nii", np.ones((3, 4, 5), np.complex64), np.eye(4))
    with pytest.raises(FileError, match=r"kspace\.nii holds complex numbers.*magnitude"):
        files.read(source)


def test_a_place_that_is_no_number_is_refused(tmp_path: Path, voxels: np.ndarray) -> None:
    content = bytearray(save(tmp_path / "nowhere.nii", voxels, np.eye(4)).read_bytes())
    content[280:284] = struct.pack("<f", np.nan)  # srow_x[0]
    (tmp_path / "nowhere.nii").write_bytes(content)
    with pytest.raises(FileError, match=r"nowhere\.nii.*no finite position"):
        files.read(tmp_path / "nowhere.nii")


def test_frames_of_channels_are_refused_with_a_remedy(tmp_path: Path) -> None:
    source = save(tmp_path / "both.nii", np.ones((3, 4, 5, 2, 3), np.float32), np.eye(4))
    with pytest.raises(FileError, match=r"both\.nii holds 2 frames of 3 channels"):
        files.read(source)


@pytest.mark.data
def test_a_real_volume_goes_round(tmp_path: Path, data_folder: Path) -> None:
    source = next((data_folder / "mr_multicontrast").glob("brats_met_*/flair.nii.gz"))
    threshold = float(np.percentile(nib.load(source).get_fdata(), 95))
    mask = export_mask(source, tmp_path / "mask.nii.gz", threshold)
    assert_mask_lies_on_source(source, mask, threshold)
