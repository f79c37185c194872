"""DICOM Segmentations, by highdicom: what a hospital's archive takes back."""

from __future__ import annotations

import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import highdicom as hd
import numpy as np
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from napari_medfreq.errors import FileError
from napari_medfreq.io.atomic import replacing
from napari_medfreq.io.dicomplane import DAMAGE, read_dataset
from napari_medfreq.volume import LPS_FROM_RAS, Volume

if TYPE_CHECKING:
    import numpy.typing as npt
    from pydicom.dataset import Dataset

_PROGRAM = "napari-medfreq"
_SERIES_NUMBER = 900
_MAY_BE_EMPTY = ("AccessionNumber", "PatientBirthDate", "PatientID", "PatientName", "PatientSex",
                 "ReferringPhysicianName", "StudyDate", "StudyID", "StudyTime")  # fmt: skip


def write(volume: Volume, path: Path) -> None:
    """Write labels as a DICOM Segmentation that refers to the DICOM images on which they were made.

    Segments are numbered 1, 2, 3 ... as the standard asks; gaps between the values of the labels close.

    Parameters
    ----------
    volume : Volume
        Labels on the grid of a volume that was read from DICOM (``header["dicom"]`` comes with `Volume.like`).
        ``header["labels"]`` may map values to names, ``header["algorithm"]`` may name what made them (``name`` and
        ``version``); without it they count as drawn by hand.
    path : pathlib.Path
        The ``.dcm`` file.

    Raises
    ------
    FileError
        If `volume` has no DICOM source, the source has moved or holds several time points, or the file cannot be
        written.
    """
    planes = _source_planes(volume, path)
    labels = volume.data.reshape((-1, *volume.data.shape[-2:]))
    _check_labels(volume, path, len(planes), labels)
    sources = {reference["path"]: _source(Path(reference["path"]), path) for reference in planes if reference}
    values = [int(v) for v in np.unique(labels) if v != 0]
    if not values:
        raise FileError(f"{path} was not written: {volume.name} holds no label. Segment or paint something first.")
    ordered, frames = _frames(planes, labels, values, sources)
    try:
        segmentation = _segmentation(
            source_images=ordered,
            pixel_array=frames,
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=[_description(volume, n + 1, value) for n, value in enumerate(values)],
            series_instance_uid=generate_uid(),
            series_number=_SERIES_NUMBER,
            sop_instance_uid=generate_uid(),
            instance_number=1,
            manufacturer=_PROGRAM,
            manufacturer_model_name=_PROGRAM,
            software_versions=version(_PROGRAM),
            device_serial_number="0",
            content_description=volume.name[:64],
            series_description=f"Segmentation: {volume.name}"[:64],
        )
    except DAMAGE as error:
        raise FileError(
            f"{path} was not written: the DICOM images lack what a segmentation has to repeat of them ({error}). "
            "Save as NIfTI (.nii.gz) or NRRD instead."
        ) from error
    with replacing(path) as temporary:
        segmentation.save_as(temporary)


def read(path: Path) -> Volume:
    """Read a DICOM Segmentation as labels; ``header["labels"]`` maps their values to the names of the segments.

    Raises
    ------
    FileError
        If the file is damaged, its segments overlap, or they lie on no regular grid.
    """
    try:
        segmentation = hd.seg.segread(path)
        grid = segmentation.get_volume(combine_segments=True)
        names = {
            int(number): str(segmentation.get_segment_description(number).segment_label)
            for number in segmentation.segment_numbers
        }
    except DAMAGE as error:
        raise FileError(f"{path}: this segmentation cannot be shown as one layer of labels ({error}).") from error
    # highdicom counts slice, row, column and maps them to LPS; ours counts column, row, slice and maps to RAS.
    affine = LPS_FROM_RAS @ grid.affine[:, [2, 1, 0, 3]]
    labels = np.asarray(grid.array)
    if np.linalg.det(affine[:3, :3]) < 0:  # its slices run against the normal; those of our images run along it
        labels = labels[::-1]
        affine[:3, 3] += affine[:3, 2] * (len(labels) - 1)
        affine[:3, 2] *= -1
    name = str(segmentation.get("SeriesDescription", "")) or path.stem
    return Volume(labels, affine, "zyx", (), "labels", name, source=path, header={"labels": names, "notes": []})


def _source_planes(volume: Volume, path: Path) -> list[dict[str, Any] | None]:
    """Return where each slice of `volume` comes from."""
    times = volume.header.get("dicom", {}).get("planes")
    if not times:
        raise FileError(
            f"{path} was not written: {volume.name} was not made on DICOM images, which a DICOM Segmentation has to "
            "name. Save it as NIfTI (.nii.gz) or NRRD."
        )
    if len(times) > 1:
        raise FileError(
            f"{path} was not written: {volume.name} has {len(times)} time points, a DICOM Segmentation holds one. "
            "Save it as NIfTI (.nii.gz)."
        )
    planes: list[dict[str, Any] | None] = times[0]
    return planes


def _check_labels(volume: Volume, path: Path, count: int, labels: npt.NDArray[Any]) -> None:
    if volume.kind != "labels" or labels.dtype.kind not in "bui" or volume.axes not in ("yx", "zyx"):
        raise FileError(f"{path} was not written: {volume.name} holds no labels. Save it as NIfTI (.nii.gz) or NRRD.")
    if len(labels) != count:
        raise FileError(
            f"{path} was not written: {volume.name} has {len(labels)} slices, its DICOM images {count}. "
            "Segment the whole volume, or save as NIfTI (.nii.gz)."
        )


def _source(source: Path, path: Path) -> Dataset:
    if not source.is_file():
        raise FileError(
            f"{path} was not written: the image {source} on which the labels were made has gone. "
            "Put it back, or save as NIfTI (.nii.gz)."
        )
    return _mended(read_dataset(source))


def _mended(dataset: Dataset) -> Dataset:
    """Empty, as unknown, what a segmentation must repeat of its source and anonymisers take out or scramble."""
    for name in _MAY_BE_EMPTY:
        if name not in dataset:
            setattr(dataset, name, "")
    if dataset.PatientSex not in ("", "M", "F", "O"):
        dataset.PatientSex = ""
    return dataset


def _segmentation(**arguments: Any) -> hd.seg.Segmentation:
    with warnings.catch_warnings():  # highdicom wonders aloud about the names of anonymised patients
        warnings.simplefilter("ignore", UserWarning)
        return hd.seg.Segmentation(**arguments)


def _frames(
    planes: list[dict[str, Any] | None], labels: npt.NDArray[Any], values: list[int], sources: dict[str, Dataset]
) -> tuple[list[Dataset], npt.NDArray[np.uint16]]:
    """Return the source images and, for each of their frames, the numbers of the segments (from 1) in it."""
    numbers = np.searchsorted(values, labels).astype(np.uint16) + np.uint16(1)
    numbers[labels == 0] = 0
    counts = [int(dataset.get("NumberOfFrames") or 1) for dataset in sources.values()]
    first = dict(zip(sources, np.cumsum([0, *counts]), strict=False))
    frames = np.zeros((sum(counts), *labels.shape[1:]), dtype=np.uint16)
    for reference, slice_numbers in zip(planes, numbers, strict=True):
        if reference is not None:
            frames[first[reference["path"]] + reference["frame"]] = slice_numbers
    return list(sources.values()), frames


def _description(volume: Volume, number: int, value: int) -> hd.seg.SegmentDescription:
    name = volume.header.get("labels", {}).get(value) or f"label {value}"
    algorithm = volume.header.get("algorithm")
    kind = hd.seg.SegmentAlgorithmTypeValues
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=str(name)[:64],
        # What was found is the user's to say; the code that is true of all of it is tissue.
        segmented_property_category=codes.SCT.Tissue,
        segmented_property_type=codes.SCT.Tissue,
        algorithm_type=kind.AUTOMATIC if algorithm else kind.MANUAL,
        algorithm_identification=None
        if not algorithm
        else hd.AlgorithmIdentificationSequence(
            name=str(algorithm["name"])[:64],
            family=codes.DCM.ArtificialIntelligence,
            version=str(algorithm.get("version", "1"))[:64],
        ),
    )
