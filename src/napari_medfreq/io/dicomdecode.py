"""Compressed DICOM pixels that pydicom cannot decode by itself, by the GDCM that SimpleITK carries."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

if TYPE_CHECKING:
    import numpy.typing as npt

# What says how the stored numbers are packed; the meaning of the numbers (slope, inversion) stays with the caller.
_PIXEL_MODULE = ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration",
                 "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "NumberOfFrames")  # fmt: skip


def decode(dataset: Dataset) -> npt.NDArray[Any]:
    """Return the pixels of `dataset` as they were stored, before any rescaling.

    GDCM applies the rescale slope of a file, and with it changes the type; so it gets to see a file without one.

    Returns
    -------
    numpy.ndarray, shape (frames, rows, columns) or (frames, rows, columns, 3)
        Without the axis of frames where there is one frame.

    Raises
    ------
    RuntimeError
        If GDCM cannot decode it either.
    """
    import SimpleITK as sitk

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pixels.dcm")
        _bare(dataset).save_as(path, enforce_file_format=True)
        reader = sitk.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(path))
        pixels: npt.NDArray[Any] = sitk.GetArrayFromImage(reader.Execute())
    frames = int(dataset.get("NumberOfFrames") or 1)
    colours = (3,) if int(dataset.SamplesPerPixel) == 3 else ()
    shape = (*((frames,) if frames > 1 else ()), int(dataset.Rows), int(dataset.Columns), *colours)
    return pixels.reshape(shape)


def _bare(dataset: Dataset) -> Dataset:
    """Return a data set with the compressed pixels of `dataset` and nothing that changes their values."""
    bare = Dataset()
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    bare.SOPClassUID = SecondaryCaptureImageStorage
    bare.SOPInstanceUID = generate_uid()
    for name in _PIXEL_MODULE:
        if name in dataset:
            setattr(bare, name, dataset[name].value)
    if bare.PhotometricInterpretation == "MONOCHROME1":
        bare.PhotometricInterpretation = "MONOCHROME2"
    bare.PixelData = dataset.PixelData
    bare["PixelData"].VR = "OB"
    bare["PixelData"].is_undefined_length = True
    return bare
