"""Which endings of file names stand for which format."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class _Format(NamedTuple):
    name: str
    read: frozenset[str]
    write: frozenset[str]


_FORMATS = (
    _Format("NIfTI", frozenset({".nii", ".nii.gz", ".hdr", ".img"}), frozenset({".nii", ".nii.gz"})),
    _Format("NRRD", frozenset({".nrrd", ".nhdr"}), frozenset({".nrrd"})),
    _Format("MetaImage", frozenset({".mha", ".mhd"}), frozenset({".mha"})),
    _Format("DICOM", frozenset({".dcm", ".dicom", ".ima"}), frozenset({".dcm"})),
    _Format("PNG", frozenset({".png"}), frozenset({".png"})),
    _Format("JPEG", frozenset({".jpg", ".jpeg"}), frozenset()),
    _Format("BMP", frozenset({".bmp"}), frozenset()),
    _Format("TIFF", frozenset({".tif", ".tiff"}), frozenset({".tif", ".tiff"})),
)
# Endings of image formats, and of archives, that users know from other programs.
_ELSEWHERE = frozenset(
    {".7z", ".avi", ".bz2", ".dcm.gz", ".gif", ".gipl", ".gz", ".h5", ".hdf5", ".jp2", ".json", ".mat", ".mgh", ".mgz",
     ".minc", ".mnc", ".mp4", ".npy", ".npz", ".par", ".pdf", ".rec", ".stl", ".svg", ".tar", ".vtk", ".webp", ".xml",
     ".zip"}
)  # fmt: skip
READ_AS = {suffix: format_.name for format_ in _FORMATS for suffix in format_.read}
WRITE_AS = {suffix: format_.name for format_ in _FORMATS for suffix in format_.write}


def readable_suffixes() -> tuple[str, ...]:
    """Return the endings of the files that can be opened, in lower case and with their dot."""
    return tuple(READ_AS)


def writable_suffixes() -> tuple[str, ...]:
    """Return the endings of the files that can be written, in lower case and with their dot."""
    return tuple(WRITE_AS)


def names_a_file(path: Path | str) -> bool:
    """Return whether `path` ends as files do and folders do not: with an ending that is known here or elsewhere."""
    suffix = suffix_of(path)
    return suffix in READ_AS or suffix in WRITE_AS or suffix in _ELSEWHERE


def suffix_of(path: Path | str) -> str:
    """Return the longest known ending of `path` in lower case (``.nii.gz``), or its last one where none is known."""
    name = Path(path).name.lower()
    known = [suffix for suffix in {**READ_AS, **WRITE_AS} if name.endswith(suffix)]
    return max(known, key=len, default=Path(name).suffix)
