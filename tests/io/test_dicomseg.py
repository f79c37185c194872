"""DICOM Segmentations, read back frame by frame with pydicom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest

from napari_medfreq.errors import FileError
from napari_medfreq.io import files
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def frames_of(path: Path) -> dict[tuple[int, tuple[float, ...]], np.ndarray]:
    """Each frame of a segmentation by its segment number and the position of its first pixel, LPS."""
    dataset = pydicom.dcmread(path)
    pixels = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    (shared,) = dataset.SharedFunctionalGroupsSequence  # holds the segment where there is but one
    return {
        (
            int(
                (group if "SegmentIdentificationSequence" in group else shared)
                .SegmentIdentificationSequence[0]
                .ReferencedSegmentNumber
            ),
            tuple(float(v) for v in group.PlanePositionSequence[0].ImagePositionPatient),
        ): frame
        for group, frame in zip(dataset.PerFrameFunctionalGroupsSequence, pixels, strict=True)
    }


@pytest.mark.data
@pytest.mark.parametrize("series", ["T2", "FLAIR"])
def test_every_labelled_pixel_lies_on_its_source(tmp_path: Path, data_folder: Path, series: str) -> None:
    folder = data_folder / "dicom" / "brainix" / series
    (volume,) = files.read(folder)
    low, high = np.percentile(volume.data, (90, 98))
    labels = (volume.data > low).astype(np.uint8) + (volume.data > high)
    said = {"labels": {1: "grey", 2: "bright"}, "algorithm": {"name": "mmsnet-mix-b0", "version": "1"}}
    files.write(volume.like(labels, kind="labels", name="mask", header=volume.header | said), tmp_path / "seg.dcm")

    found = frames_of(tmp_path / "seg.dcm")
    count = 0
    for path in folder.iterdir():
        source = pydicom.dcmread(path)
        position = tuple(float(v) for v in source.ImagePositionPatient)
        bright = source.pixel_array > high
        grey = (source.pixel_array > low) & ~bright
        for segment, wanted in ((1, grey), (2, bright)):
            frame = found.get((segment, position), np.zeros_like(wanted))
            np.testing.assert_array_equal(frame > 0, wanted)
            count += int(wanted.sum())
    assert count == np.count_nonzero(labels) > 1000

    dataset = pydicom.dcmread(tmp_path / "seg.dcm")
    shared = dataset.SharedFunctionalGroupsSequence[0]
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == source.ImageOrientationPatient
    assert shared.PixelMeasuresSequence[0].PixelSpacing == source.PixelSpacing
    assert (dataset.PatientID, dataset.StudyInstanceUID) == (source.PatientID, source.StudyInstanceUID)
    assert dataset.FrameOfReferenceUID == source.FrameOfReferenceUID
    assert [segment.SegmentLabel for segment in dataset.SegmentSequence] == ["grey", "bright"]
    assert {segment.SegmentAlgorithmType for segment in dataset.SegmentSequence} == {"AUTOMATIC"}

    (again,) = files.read(tmp_path / "seg.dcm")
    assert (again.kind, again.header["labels"]) == ("labels", {1: "grey", 2: "bright"})
    if again.data.shape == labels.shape:  # empty slices at the ends are not stored
        np.testing.assert_array_equal(again.data, labels)
        np.testing.assert_allclose(again.affine, volume.affine, atol=1e-4)


def series_of(write_slice: Callable[..., Path], places: list[float]) -> Volume:
    for number, z in enumerate(places):
        path = write_slice(f"series/{number}.dcm", np.zeros((4, 6), np.uint16), z)
    return files.read(path.parent)[0]


def test_slices_in_any_order_and_with_gaps_keep_their_place(tmp_path: Path, write_slice: Callable[..., Path]) -> None:
    volume = series_of(write_slice, [6, 0, 2, 8])  # 4 is missing
    labels = np.zeros(volume.data.shape, np.uint8)
    labels[1, 2, 3] = 5
    labels[3, 0, 1] = 9
    files.write(volume.like(labels, kind="labels"), tmp_path / "seg.dcm")
    found = {key: np.argwhere(frame).tolist() for key, frame in frames_of(tmp_path / "seg.dcm").items()}
    assert found == {(1, (-10, -20, 2)): [[2, 3]], (2, (-10, -20, 6)): [[0, 1]]}
    dataset = pydicom.dcmread(tmp_path / "seg.dcm")
    assert [segment.SegmentLabel for segment in dataset.SegmentSequence] == ["label 5", "label 9"]
    assert {segment.SegmentAlgorithmType for segment in dataset.SegmentSequence} == {"MANUAL"}


def test_one_slice_is_enough(tmp_path: Path, write_slice: Callable[..., Path]) -> None:
    (volume,) = files.read(write_slice("a.dcm", np.zeros((4, 6), np.uint16), 3))
    labels = np.zeros((4, 6), np.uint8)
    labels[1, 2] = 1
    files.write(volume.like(labels, kind="labels"), tmp_path / "seg.dcm")
    ((key, frame),) = frames_of(tmp_path / "seg.dcm").items()
    assert (key, np.argwhere(frame).tolist()) == ((1, (-10, -20, 3)), [[1, 2]])


def test_what_has_no_dicom_source_is_sent_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"not made on DICOM images.*NIfTI"):
        files.write(Volume(np.ones((2, 3, 4), np.uint8), kind="labels"), tmp_path / "seg.dcm")


def test_an_empty_mask_and_an_image_are_refused(tmp_path: Path, write_slice: Callable[..., Path]) -> None:
    volume = series_of(write_slice, [0, 2])
    with pytest.raises(FileError, match=r"holds no labels"):
        files.write(volume, tmp_path / "seg.dcm")
    with pytest.raises(FileError, match=r"holds no label. Segment"):
        files.write(volume.like(volume.data * 0, kind="labels"), tmp_path / "seg.dcm")
    assert not (tmp_path / "seg.dcm").exists()


def test_a_source_that_has_gone_is_named(tmp_path: Path, write_slice: Callable[..., Path]) -> None:
    volume = series_of(write_slice, [0, 2])
    (tmp_path / "series" / "1.dcm").unlink()
    with pytest.raises(FileError, match=r"1\.dcm on which the labels were made has gone"):
        files.write(volume.like(volume.data + 1, kind="labels"), tmp_path / "seg.dcm")
