"""One frame of one DICOM file: what its header says about the place and the meaning of its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
from pydicom.errors import BytesLengthException, InvalidDicomError

from napari_medfreq.errors import FileError
from napari_medfreq.io import voxels

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import Dataset

DAMAGE = (*voxels.DAMAGE, BytesLengthException, InvalidDicomError)
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
_CENTIMETRES = 3  # code of PhysicalUnitsXDirection
_PARTS = {"M": "magnitude", "MAGNITUDE": "magnitude", "P": "phase", "PHASE": "phase", "R": "real", "REAL": "real",
          "I": "imaginary", "IMAGINARY": "imaginary"}  # fmt: skip


@dataclass(frozen=True)
class Plane:
    """One frame: where it comes from and where it lies.

    Attributes
    ----------
    path, frame, uid : pathlib.Path, int, str
        File, index of the frame in it (from 0), SOP instance UID.
    series, description, modality : str
        What the series is.
    shape : tuple of int
        Rows and columns.
    is_colour : bool
        Whether a pixel is more than one number when shown.
    orientation : tuple of float or None
        Direction of a row, then of a column, in LPS.
    position : tuple of float or None
        Centre of the first pixel, LPS mm.
    spacing : tuple of float or None
        Distance between rows, then between columns, mm.
    thickness : float
        Slice thickness in mm; 1 where not stated.
    part : str
        Magnitude, phase ... of complex images that share a series.
    order : tuple of float
        What orders the frames at one place: time point, acquisition, echo time, instance number, frame.
    """

    path: Path
    frame: int
    uid: str
    series: str
    description: str
    modality: str
    shape: tuple[int, int]
    is_colour: bool
    orientation: tuple[float, ...] | None
    position: tuple[float, ...] | None
    spacing: tuple[float, float] | None
    thickness: float
    part: str
    order: tuple[float, ...]


def read_dataset(path: Path, *, pixels: bool = False) -> Dataset:
    """Return the DICOM data set in `path`, without its pixels unless asked for.

    Raises
    ------
    FileError
        If the file is no DICOM file, or is cut short in its header.
    """
    try:
        # Old files lack the preamble; what no longer looks like DICOM without it has no class.
        dataset = pydicom.dcmread(path, stop_before_pixels=not pixels, force=True)
        is_dicom = isinstance(dataset.get("SOPClassUID"), str)
    except DAMAGE as error:
        raise FileError(f"{path} is damaged: {error}. Copy or export it again.") from error
    if not is_dicom:
        raise FileError(f"{path} is not a DICOM file, or its beginning is damaged. Copy or export it again.")
    return dataset


def planes_of(dataset: Dataset, path: Path) -> list[Plane]:
    """Return every frame of `dataset`; none where it holds no image (a report, a directory).

    Raises
    ------
    FileError
        If a number in the header cannot be understood.
    """
    if "Rows" not in dataset or "Columns" not in dataset:
        return []
    try:
        count = int(dataset.get("NumberOfFrames") or 1)
        return [_plane(dataset, path, index) for index in range(count)]
    except DAMAGE as error:
        raise FileError(f"{path}: its header cannot be understood ({error}). Export the image again.") from error


def _plane(dataset: Dataset, path: Path, index: int) -> Plane:
    place = macro(dataset, index, "PlanePositionSequence")
    return Plane(
        path=path,
        frame=index,
        uid=str(dataset.get("SOPInstanceUID", "")),
        series=str(dataset.get("SeriesInstanceUID", "")),
        description=str(dataset.get("SeriesDescription", "")),
        modality=str(dataset.get("Modality", "")),
        shape=(int(dataset.Rows), int(dataset.Columns)),
        is_colour=int(dataset.get("SamplesPerPixel", 1)) > 1
        or dataset.get("PhotometricInterpretation") == "PALETTE COLOR",
        orientation=_numbers(macro(dataset, index, "PlaneOrientationSequence"), "ImageOrientationPatient", 6),
        position=_numbers(place, "ImagePositionPatient", 3),
        spacing=_spacing(dataset, index),
        thickness=_number(macro(dataset, index, "PixelMeasuresSequence"), "SliceThickness", 1.0) or 1.0,
        part=_part(dataset),
        order=_order(dataset, index),
    )


def macro(dataset: Dataset, index: int, name: str) -> Dataset:
    """Return where frame `index` keeps the attributes of the functional group `name`.

    That is its own item, one shared by all frames, or, in files of one frame, the data set itself.
    """
    own = dataset.get("PerFrameFunctionalGroupsSequence")
    for group in (own[index] if own else None, *(dataset.get("SharedFunctionalGroupsSequence") or ())):
        if group is not None and group.get(name):
            item: Dataset = group[name][0]
            return item
    return dataset


def _numbers(item: Dataset, name: str, count: int) -> tuple[float, ...] | None:
    value = item.get(name)
    if not value:
        return None
    numbers = tuple(float(v) for v in value)
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise ValueError(f"{name} is {list(numbers)}")
    return numbers


def _number(item: Dataset, name: str, default: float = 0.0) -> float:
    value: Any = item.get(name)
    return default if value in (None, "") else float(value)


def _spacing(dataset: Dataset, index: int) -> tuple[float, float] | None:
    measures = macro(dataset, index, "PixelMeasuresSequence")
    for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        pair = _numbers(measures, name, 2)
        if pair is not None and min(pair) > 0:
            return pair[0], pair[1]
    # Ultrasound states the size of its tissue regions, in centimetres.
    regions = [
        r for r in dataset.get("SequenceOfUltrasoundRegions") or () if r.get("PhysicalUnitsXDirection") == _CENTIMETRES
    ]
    sizes = {(abs(float(r.PhysicalDeltaY)) * 10, abs(float(r.PhysicalDeltaX)) * 10) for r in regions}
    only = sizes.pop() if len(sizes) == 1 else (0.0, 0.0)
    return only if min(only) > 0 else None


def _part(dataset: Dataset) -> str:
    named = [str(dataset.get("ComplexImageComponent", "")), *(str(v) for v in (dataset.get("ImageType") or ())[2:])]
    return next((_PARTS[name.upper()] for name in named if name.upper() in _PARTS), "")


def _order(dataset: Dataset, index: int) -> tuple[float, ...]:
    content = macro(dataset, index, "FrameContentSequence")
    echo = macro(dataset, index, "MREchoSequence")
    return (
        _number(content, "TemporalPositionIndex") or _number(dataset, "TemporalPositionIdentifier"),
        _number(content, "FrameAcquisitionNumber") or _number(dataset, "AcquisitionNumber"),
        _number(echo, "EffectiveEchoTime") or _number(dataset, "EchoTime"),
        _number(dataset, "InstanceNumber"),
        float(index),
    )
