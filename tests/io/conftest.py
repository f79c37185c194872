"""Small images on known grids, and DICOM files written tag by tag."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

SliceWriter = Callable[..., Path]


def rotation(degrees: float, axis: tuple[float, float, float]) -> np.ndarray:
    """Rodrigues' formula."""
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * (k @ k)


def grid(axes: list[list[float]], spacing: tuple[float, float, float]) -> np.ndarray:
    """Affine whose columns are the rows of `axes` times `spacing`."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(axes, dtype=float).T * spacing
    affine[:3, 3] = (-11.25, 20.5, 33.75)
    return affine


GRIDS = {
    "RAS": grid([[1, 0, 0], [0, 1, 0], [0, 0, 1]], (1, 1, 1)),
    "LAS": grid([[-1, 0, 0], [0, 1, 0], [0, 0, 1]], (1, 1, 1)),
    "LPS": grid([[-1, 0, 0], [0, -1, 0], [0, 0, 1]], (1, 1, 1)),
    "PIR": grid([[0, -1, 0], [0, 0, -1], [1, 0, 0]], (1, 1, 1)),
    "anisotropic": grid([[1, 0, 0], [0, 1, 0], [0, 0, 1]], (0.5, 0.75, 5)),
    "oblique": grid(rotation(25, (1, 2, 3)).T.tolist(), (0.5, 0.75, 3)),
    "oblique left-handed": grid((rotation(40, (3, 1, -2)) @ np.diag([-1, 1, 1])).T.tolist(), (0.5, 0.75, 3)),
}


@pytest.fixture(params=list(GRIDS))
def affine(request: pytest.FixtureRequest) -> np.ndarray:
    """Voxel to world RAS of each orientation that a file may have."""
    return GRIDS[request.param].copy()


@pytest.fixture
def voxels() -> np.ndarray:
    """An image without any symmetry, shape (x, y, z) = (7, 6, 5), int16."""
    return np.random.default_rng(3).integers(-500, 500, (7, 6, 5)).astype(np.int16)


@pytest.fixture
def write_slice(tmp_path: Path) -> SliceWriter:
    """Write one axial DICOM slice: ``write_slice(name, pixels, z, **tags)``."""
    study, series, frame = generate_uid(), generate_uid(), generate_uid()

    def write(name: str, pixels: np.ndarray, z: float = 0.0, **tags: Any) -> Path:
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = MRImageStorage
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = study, series, frame
        dataset.PatientID = dataset.PatientName = "nobody"
        dataset.Modality, dataset.SeriesDescription = "MR", "made up"
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.ImagePositionPatient = [-10, -20, z]
        dataset.PixelSpacing, dataset.SliceThickness = [0.5, 0.75], 2
        dataset.Rows, dataset.Columns = pixels.shape[-2:] if pixels.shape[-1] != 3 else pixels.shape[-3:-1]
        dataset.SamplesPerPixel = 3 if pixels.shape[-1] == 3 else 1
        dataset.PhotometricInterpretation = "RGB" if pixels.shape[-1] == 3 else "MONOCHROME2"
        if pixels.shape[-1] == 3:
            dataset.PlanarConfiguration = 0
        dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.dtype.itemsize
        dataset.HighBit = dataset.BitsStored - 1
        dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
        dataset.PixelData = pixels.tobytes()
        for tag, value in tags.items():
            if value is None:
                delattr(dataset, tag)
            else:
                setattr(dataset, tag, value)
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        dataset.save_as(path, enforce_file_format=True)
        return path

    return write
