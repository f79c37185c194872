"""What a file is by its first bytes, whatever its name says."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_GZIP = b"\x1f\x8b"
# The first bytes of kinds of files that people rename by mistake, and what to call them.
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"NRRD", "NRRD"),
    (b"ObjectType", "MetaImage"),
    (b"NDims", "MetaImage"),
    (b"GIF8", "GIF"),
    (b"PK\x03\x04", "ZIP"),
    (b"\x89HDF", "HDF5"),
    (b"%PDF", "PDF"),
)


def sniff(path: Path) -> str | None:
    """Return what the content of `path` is: ``NIfTI``, ``DICOM``, ``PNG``, ``TIFF``, ``gzip`` ..., or None if unknown.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(4096)
    if start.startswith(_GZIP):
        inside = _kind(_gunzip_start(start))
        return inside if inside == "NIfTI" else "gzip"
    return _kind(start)


def _kind(start: bytes) -> str | None:
    if start[128:132] == b"DICM":
        return "DICOM"
    if start[344:347] in (b"n+1", b"ni1") or start[4:7] in (b"n+2", b"ni2"):
        return "NIfTI"
    return next((name for signature, name in _SIGNATURES if start.startswith(signature)), None)


def _gunzip_start(start: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(start, 4096)
    except zlib.error:
        return b""
