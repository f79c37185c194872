"""What the header of one file says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from pydicom.dataset import Dataset

from napari_medfreq.errors import FileError
from napari_medfreq.io.dicomplane import planes_of, read_dataset

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_the_place_of_a_slice(write_slice: Callable[..., Path]) -> None:
    path = write_slice("a.dcm", np.zeros((4, 6), np.uint16), 3)
    (plane,) = planes_of(read_dataset(path), path)
    assert (plane.shape, plane.position, plane.spacing) == ((4, 6), (-10, -20, 3), (0.5, 0.75))


def test_ultrasound_states_its_size_in_centimetres(write_slice: Callable[..., Path]) -> None:
    region = Dataset()
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX, region.PhysicalDeltaY = 0.01, 0.02
    path = write_slice("us.dcm", np.zeros((4, 6), np.uint8), PixelSpacing=None, SequenceOfUltrasoundRegions=[region])
    (plane,) = planes_of(read_dataset(path), path)
    assert plane.spacing == pytest.approx((0.2, 0.1))


def test_without_a_size_none_is_made_up(write_slice: Callable[..., Path]) -> None:
    path = write_slice("a.dcm", np.zeros((4, 6), np.uint8), PixelSpacing=None)
    assert planes_of(read_dataset(path), path)[0].spacing is None


def test_phase_and_magnitude_are_told_apart(write_slice: Callable[..., Path]) -> None:
    path = write_slice("a.dcm", np.zeros((4, 6), np.uint8), ImageType=["ORIGINAL", "PRIMARY", "P", "ND"])
    assert planes_of(read_dataset(path), path)[0].part == "phase"


def test_a_position_that_is_no_position_names_the_file(write_slice: Callable[..., Path]) -> None:
    path = write_slice("a.dcm", np.zeros((4, 6), np.uint8), ImagePositionPatient=[1, 2])
    with pytest.raises(FileError, match=r"a\.dcm: its header cannot be understood.*ImagePositionPatient"):
        planes_of(read_dataset(path), path)


def test_text_is_no_dicom(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_text("hello")
    with pytest.raises(FileError, match=r"a\.dcm is not a DICOM file"):
        read_dataset(tmp_path / "a.dcm")
