"""What a file is by its first bytes."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from PIL import Image

from napari_medfreq.io.sniff import sniff

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.tif", "a.nrrd", "a.mha", "a.nii", "a.nii.gz", "b.nii"])
def test_the_real_files_of_each_kind_are_known(tmp_path: Path, name: str) -> None:
    path, data = tmp_path / name, np.zeros((6, 7), np.uint8)
    if ".nii" in name:
        kind = nib.Nifti2Image if name.startswith("b") else nib.Nifti1Image
        nib.save(kind(data, np.eye(4)), path)
    elif name.endswith("tif"):
        tifffile.imwrite(path, data)
    elif name.endswith(("nrrd", "mha")):
        sitk.WriteImage(sitk.GetImageFromArray(data), str(path))
    else:
        Image.fromarray(data).save(path)
    expected = {"png": "PNG", "jpg": "JPEG", "bmp": "BMP", "tif": "TIFF", "nrrd": "NRRD", "mha": "MetaImage"}
    assert sniff(path) == expected.get(name[2:], "NIfTI")


def test_a_gzip_of_something_else_is_only_a_gzip(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"hello"))
    (tmp_path / "b.gz").write_bytes(b"\x1f\x8bnonsense")
    assert sniff(tmp_path / "a.gz") == sniff(tmp_path / "b.gz") == "gzip"


def test_text_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("hello")
    assert sniff(tmp_path / "a") is None
