"""What the readers and writers of all formats check and do with voxels."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medfreq.errors import FileError
from napari_medfreq.io.formats import suffix_of

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from napari_medfreq.volume import Volume

# What the formats' libraries raise, one here and one there, when they meet damaged bytes; found by feeding them such.
DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
# Deflate cannot shrink anything further than about 1032 times.
_LARGEST_RATIO = 1040


def stem(path: Path) -> str:
    """Return the file's name without its ending, the whole of ``.nii.gz`` too."""
    name = path.name
    return name[: len(name) - len(suffix_of(path))] or name


def channel_names(data: npt.NDArray[Any]) -> tuple[str, ...]:
    """Return names for the leading axis of `data`: colours where three channels hold bytes, else numbers."""
    count = data.shape[0]
    if count == 3 and data.dtype == np.uint8:
        return ("red", "green", "blue")
    return tuple(f"channel {i + 1}" for i in range(count))


def check_shape(path: Path, shape: tuple[int, ...]) -> None:
    """Raise `FileError` unless `shape` has at least two axes and none of length zero or less."""
    if len(shape) < 2 or min(shape) < 1:
        size = " x ".join(str(n) for n in shape) or "nothing"
        raise FileError(f"{path} holds no image: its size is {size}. Export it again from where it came.")


def check_type(path: Path, dtype: np.dtype[Any]) -> None:
    """Raise `FileError` for numbers that are no intensities."""
    if dtype.kind == "c":
        raise FileError(
            f"{path} holds complex numbers ({dtype}), as raw MR data do. Save its magnitude (or phase) and open that."
        )
    if dtype.kind not in "buif" and dtype.names is None:
        raise FileError(f"{path} holds values of the type {dtype}, which is no intensity. Export it as numbers.")


def check_bytes(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], size: int, *, compressed: bool) -> None:
    """Raise `FileError`, before any memory is taken, if `size` bytes on disk cannot hold an image of `shape`."""
    expected = dtype.itemsize
    for length in shape:  # Python's integers: the product of a damaged header's axes overflows 64 bits
        expected *= int(length)
    if expected > size * (_LARGEST_RATIO if compressed else 1):
        raise FileError(
            f"{path} is cut short or its header is damaged: it announces {' x '.join(str(n) for n in shape)} values "
            f"({_readable(expected)}), but holds only {_readable(size)}. Copy or download it again."
        )


def checked_affine(path: Path, affine: npt.NDArray[np.float64], *, flat: bool = False) -> npt.NDArray[np.float64]:
    """Return `affine` if it places voxels in space, of a `flat` image with a normal added.

    Raises
    ------
    FileError
        If a number in it is not finite, or an axis has no length.
    """
    if not np.isfinite(affine).all():
        raise FileError(f"{path}: its header places the voxels at no finite position. Export the image again.")
    if flat and np.linalg.norm(affine[:3, 2]) == 0:
        normal = np.cross(affine[:3, 0], affine[:3, 1])
        affine[:3, 2] = normal / (np.linalg.norm(normal) or 1.0)
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if lengths.min() <= 0 or abs(np.linalg.det(affine[:3, :3] / lengths)) < 1e-6:
        raise FileError(f"{path}: its header gives the voxels no extent (spacing {lengths}). Export the image again.")
    return affine


def native(data: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return `data` in the byte order of this machine; floats of odd length as float64 or float32."""
    if data.dtype.kind == "f" and data.dtype.itemsize > 8:
        return data.astype(np.float64)
    if data.dtype == np.float16:
        return data.astype(np.float32)
    return data if data.dtype.isnative else data.astype(data.dtype.newbyteorder("="))


def scaled(raw: npt.NDArray[Any], slope: float, intercept: float) -> npt.NDArray[np.float32]:
    """Return ``raw * slope + intercept`` as float32."""
    result: npt.NDArray[np.float32] = np.multiply(raw, np.float32(slope), dtype=np.float32, casting="unsafe")
    result += np.float32(intercept)
    return result


def storable(volume: Volume, path: Path) -> npt.NDArray[Any]:
    """Return the data of `volume` in a type that every format here holds: labels in the smallest, floats as they are.

    Raises
    ------
    FileError
        If the data are complex or no numbers.
    """
    data = volume.data
    if data.dtype.kind not in "buif":
        raise FileError(f"{path} was not written: {volume.name} holds {data.dtype} values. Save its magnitude instead.")
    if data.dtype.kind == "b":
        return data.astype(np.uint8)
    if data.dtype.kind == "f":
        return native(data)
    if volume.kind == "labels" or data.dtype.itemsize == 8:
        return data.astype(_smallest_type(data))
    return native(data)


def _smallest_type(data: npt.NDArray[Any]) -> type[np.generic]:
    lowest, highest = (int(data.min()), int(data.max())) if data.size else (0, 0)
    choices = (np.uint8, np.uint16, np.int16, np.int32, np.uint32, np.int64)
    fits = (t for t in choices if np.iinfo(t).min <= lowest and highest <= np.iinfo(t).max)
    return next(fits, np.uint64)


def _readable(count: int) -> str:
    size, unit = float(count), "bytes"
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.3g} {unit}"
