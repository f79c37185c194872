"""Find the damage in NRRD and MetaImage files that ITK does not see, before it takes memory for them.

ITK compares no checksums: of a damaged compressed file it returns whatever it could unpack, and it believes any header.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_medfreq.errors import FileError
from napari_medfreq.io import voxels

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

# Longer than any header: 3D Slicer writes several kilobytes for a segment.
_HEADER_BYTES = 1 << 22
_CHUNK = 1 << 20
_DATA_FILE = ("data file", "datafile", "elementdatafile")


@dataclass(frozen=True)
class Header:
    """The text at the start of a file.

    Attributes
    ----------
    fields : dict of str
        The fields as they are written, names in lower case.
    end : int
        Where it ends, in bytes.
    """

    fields: dict[str, str]
    end: int

    @property
    def data_file(self) -> str | None:
        """The name of the file that holds the voxels; None if they follow the header."""
        named = next((self.fields[name] for name in _DATA_FILE if name in self.fields), "local")
        return None if named.lower() == "local" else named

    @property
    def encoding(self) -> str:
        """How the voxels are stored: ``raw``, ``gzip`` (or zlib) or another word of the format."""
        if self.fields.get("compresseddata", "").lower() == "true":
            return "gzip"
        encoding = self.fields.get("encoding", "raw").lower()
        return {"gz": "gzip"}.get(encoding, encoding)


def read_header(path: Path) -> Header:
    """Return the text header of `path`, an NRRD or a MetaImage."""
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
    is_nrrd = start.startswith(b"NRRD")
    fields: dict[str, str] = {}
    end = 0
    while end < len(start):
        stop = start.find(b"\n", end) + 1 or len(start)
        line = start[end:stop].decode("latin-1").strip()
        end = stop
        name, found, value = line.partition(":" if is_nrrd else "=")
        if found:
            fields[name.strip().lower()] = value.strip()
        if not line or (not is_nrrd and name.strip().lower() == "elementdatafile"):
            break
    return Header(fields, end)


def voxel_file(path: Path, header: Header) -> Path | None:
    """Return the file that holds the voxels of `path`; None if there are several.

    Raises
    ------
    FileError
        If it is missing.
    """
    named = header.data_file or path.name
    if named.startswith("LIST") or "%" in named:
        return None
    stored = path.parent / named
    if not stored.is_file():
        raise FileError(f"{path}: the file with its voxels, {stored.name}, is missing. Put both into one folder.")
    return stored


def check_voxels(path: Path, header: Header, shape: tuple[int, ...], value: np.dtype[np.void]) -> None:
    """Raise `FileError` unless the stored voxels are all there and undamaged.

    Parameters
    ----------
    path : pathlib.Path
        The file with the header.
    header : Header
        Its header.
    shape : tuple of int
        How many values it announces, along each axis.
    value : numpy.dtype
        A type as large as one value.
    """
    stored = voxel_file(path, header)
    if stored is None or header.encoding not in ("raw", "gzip"):
        return  # several files, or text: ITK notices itself when something is missing
    compressed = header.encoding == "gzip"
    voxels.check_bytes(path, shape, value, stored.stat().st_size, compressed=compressed)
    if compressed and not any(name in header.fields for name in ("byte skip", "line skip", "headersize")):
        _check_stream(path, stored, header.end if header.data_file is None else 0)


def _check_stream(path: Path, stored: Path, start: int) -> None:
    unpacker = zlib.decompressobj(wbits=47)  # gzip or zlib, whichever it is
    with stored.open("rb") as file:
        file.seek(start)
        try:
            while not unpacker.eof:
                packed = unpacker.unconsumed_tail or file.read(_CHUNK)
                if not packed:
                    raise FileError(f"{path} is cut short: its last part is missing. Copy or download it again.")
                unpacker.decompress(packed, _CHUNK)
        except zlib.error as error:
            raise FileError(f"{path} is damaged: {error}. Copy or download it again.") from error
