"""Open and save any image file that the package knows. This file itself imports no format's library."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medfreq.errors import FileError
from napari_medfreq.io.formats import READ_AS, WRITE_AS, readable_suffixes, suffix_of, writable_suffixes
from napari_medfreq.io.sniff import sniff

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_medfreq.volume import Volume

__all__ = ["can_read", "read", "readable_suffixes", "suffix_of", "writable_suffixes", "write"]

_PICTURES = ("PNG", "JPEG", "BMP", "TIFF")
# A folder is asked for by one glance only: a DICOM export has images among its first files.
_FILES_TO_GLANCE_AT = 200


def can_read(path: Path | str) -> bool:
    """Return whether `read` can be asked for `path`: by its name, or by its first bytes where the name says nothing.

    Quick enough for a viewer that asks at every drop: at most a few kilobytes are read, and of a folder a few hundred
    file beginnings.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return any(_is_dicom(file) for file in islice(_files_below(path), _FILES_TO_GLANCE_AT))
        if not path.is_file():
            return False
        return suffix_of(path) in READ_AS or _is_dicom(path)
    except OSError:
        return False


def read(path: Path | str, *, series: str | None = None) -> list[Volume]:
    """Open an image file, or a folder of DICOM files.

    Parameters
    ----------
    path : pathlib.Path or str
        The file; the format is chosen by its ending and, where that says nothing, by its content. A folder is searched
        for DICOM files, its subfolders included.
    series : str, optional
        Of a DICOM folder, only the series of this `SeriesInfo.uid` (see `napari_medfreq.io.dicom.list_series`); by
        default each series becomes a volume.

    Returns
    -------
    list of Volume
        At least one. ``header["notes"]`` of each lists what the user should know about it.

    Raises
    ------
    FileError
        If the file is missing, damaged, or of a kind that is not read; the message says which and what to do.
    """
    path = Path(path)
    if path.is_dir():
        from napari_medfreq.io import dicom

        return dicom.read_folder(path, series)
    name = _format_to_read(path)
    try:
        return _read_as(name, path)
    except MemoryError as error:
        raise FileError(f"{path} does not fit into this computer's memory. Close other images, or crop it.") from error
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}.") from error


def write(volume: Volume, path: Path | str) -> None:
    """Save `volume` in the format that the ending of `path` names.

    An existing file is replaced only when all is written.

    Parameters
    ----------
    volume : Volume
        What to save. Shape and affine are kept as they are.
    path : pathlib.Path or str
        ``.nii``, ``.nii.gz``, ``.nrrd``, ``.mha``, ``.tif``; ``.png`` for 2D; ``.dcm`` writes a DICOM Segmentation of
        labels made on a DICOM image.

    Raises
    ------
    FileError
        If the place cannot be written to, or the format cannot hold the volume; the message says what can.
    """
    path = Path(path)
    name = WRITE_AS.get(suffix_of(path))
    if name == "NIfTI":
        from napari_medfreq.io import nifti

        nifti.write(volume, path)
    elif name in ("NRRD", "MetaImage"):
        from napari_medfreq.io import itk

        itk.write(volume, path)
    elif name == "PNG":
        from napari_medfreq.io import pictures

        pictures.write(volume, path)
    elif name == "TIFF":
        from napari_medfreq.io import tiff

        tiff.write(volume, path)
    elif name == "DICOM":
        from napari_medfreq.io import dicomseg

        dicomseg.write(volume, path)
    else:
        raise FileError(f"{path}: {volume.name} can be saved as {', '.join(writable_suffixes())}. Choose one of them.")


def _format_to_read(path: Path) -> str:
    if not path.exists():
        raise FileError(f"{path} does not exist. Check the name, and that its disk or network folder is connected.")
    try:
        size, content = path.stat().st_size, sniff(path)
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}. Check that you may open it.") from error
    if size == 0:
        raise FileError(f"{path} is empty (0 bytes). The copy or download failed: fetch it again.")
    claimed = READ_AS.get(suffix_of(path))
    if claimed is None:
        if content in READ_AS.values():
            return str(content)
        raise FileError(f"{path} is of a kind that is not read here. Known endings: {', '.join(readable_suffixes())}.")
    if claimed in _PICTURES and content in _PICTURES:
        return str(content)  # many a JPEG is named .png, and every viewer opens it
    # Voxels without a header (.img) may begin with anything, and a gzip of something that cannot be recognised may be
    # a damaged NIfTI: its reader says what is wrong.
    may_be_right = content in (None, claimed) or suffix_of(path) == ".img" or (content, claimed) == ("gzip", "NIfTI")
    if not may_be_right:
        raise FileError(
            f"{path} is named as {claimed} but its content is {content}. "
            "Give it the ending of its content, or export it again from where it came."
        )
    return claimed


def _read_as(name: str, path: Path) -> list[Volume]:
    if name == "NIfTI":
        from napari_medfreq.io import nifti

        return [nifti.read(path)]
    if name in ("NRRD", "MetaImage"):
        from napari_medfreq.io import itk

        return [itk.read(path)]
    if name == "DICOM":
        from napari_medfreq.io import dicom

        return dicom.read_file(path)
    if name == "TIFF":
        from napari_medfreq.io import tiff

        return [tiff.read(path)]
    from napari_medfreq.io import pictures

    return [pictures.read(path)]


def _is_dicom(path: Path) -> bool:
    return sniff(path) == "DICOM"


def _files_below(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(names))
