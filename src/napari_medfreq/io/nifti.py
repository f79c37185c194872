"""NIfTI-1 and NIfTI-2 (and Analyze, its forerunner), by nibabel.

The grid of an exported result is the grid of its source to the last bit: where a volume still has the affine that was
read, the writer puts back the very fields (sform, qform, their codes, units) from which any other program computes it.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from napari_medfreq.errors import FileError
from napari_medfreq.io import voxels
from napari_medfreq.io.atomic import replacing
from napari_medfreq.volume import Axes, Kind, Volume

if TYPE_CHECKING:
    import numpy.typing as npt

_LABEL_INTENT = 1002
_VECTOR_INTENTS = {1005, 1006, 1007, 1008, 1009, 2003, 2004}  # matrices, displacements, vectors, point sets, colours
_TITLE = "napari-medfreq"
_MILLIMETRES = {1: 1000.0, 2: 1.0, 3: 0.001}  # metres, millimetres, micrometres
# The header fields that say where the voxels lie.
_PLACE = ("pixdim", "xyzt_units", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d",
          "qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z")  # fmt: skip
_LARGEST_NIFTI1_AXIS = 32767
_LONGEST_DESCRIPTION = 79  # bytes
# Larger files that are not compressed stay on disk and are read where they are looked at. Smaller ones are loaded,
# for a mapped file that another program cuts short takes the whole process with it.
_MAP_FROM_BYTES = 1 << 30


def read(path: Path) -> Volume:
    """Read a NIfTI file.

    Parameters
    ----------
    path : pathlib.Path
        ``.nii``, ``.nii.gz``, or either file of a ``.hdr``/``.img`` pair.

    Returns
    -------
    Volume
        The fourth dimension becomes ``t``, or ``c`` where the intent says vector; the fifth becomes ``c``. Scaled
        integers become float32; all else keeps its type, in the byte order of this machine. An image is ``labels``
        only where the intent code says so. ``header["nifti"]`` keeps the fields that place the voxels.

    Raises
    ------
    FileError
        If the file is damaged or holds what cannot be shown (complex numbers, both frames and channels).
    """
    try:
        image: Any = nib.load(path)
        header = image.header
        shape = tuple(int(n) for n in header.get_data_shape())
        dtype = header.get_data_dtype()
    except (*voxels.DAMAGE, ImageFileError, HeaderDataError) as error:
        raise FileError(f"{path} is not a whole NIfTI file: {error}. Copy or export it again.") from error
    _check_size(path, image, shape, dtype)
    affine = _affine(path, image, len(shape))
    data, axes = _named_axes(path, _data(path, image), _is_vector(header))
    kind, data = _kind(header, data)
    channels = voxels.channel_names(data) if axes[0] == "c" else ()
    said = {"nifti": _place(header), "affine": affine, "notes": []}
    if (made := _description(header)).startswith(f"{_TITLE} SYNTHETIC"):
        said |= {"synthetic": made.removeprefix(f"{_TITLE} "), "notes": [f"{made}: no scanner made this image."]}
    return Volume(data, affine, axes, channels, kind, voxels.stem(path), source=path, header=said)


def write(volume: Volume, path: Path) -> None:
    """Write `volume` as NIfTI, with the shape and the affine that it has.

    Frames become the fourth dimension, channels the fifth. Labels are stored in the smallest integer type that holds
    them; the description says what the numbers are (``napari-medfreq labels``).

    Raises
    ------
    FileError
        If the data are complex, or the file cannot be written.
    """
    data = _file_order(volume, voxels.storable(volume, path))
    classic = max(data.shape) <= _LARGEST_NIFTI1_AXIS
    header = nib.Nifti1Header() if classic else nib.Nifti2Header()
    header.set_data_dtype(data.dtype)
    header.set_data_shape(data.shape)
    _set_place(header, volume)
    header["descrip"] = f"{_TITLE} {volume.header.get('synthetic') or volume.kind}".encode()[:_LONGEST_DESCRIPTION]
    if volume.kind == "labels":
        header.set_intent(_LABEL_INTENT, name=volume.kind)
    elif volume.axes[0] == "c":
        header.set_intent("vector", name=volume.kind)
    image = (nib.Nifti1Image if classic else nib.Nifti2Image)(data, None, header)
    compressed = path.name.lower().endswith(".gz")
    with replacing(path, ".nii.gz" if compressed else ".nii") as temporary:
        nib.save(image, temporary)


def _check_size(path: Path, image: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse, before any memory is taken, what the file cannot hold."""
    voxels.check_shape(path, shape)
    voxels.check_type(path, dtype)
    stored = _stored(image)
    if not stored.exists():
        raise FileError(f"{path}: the file with its voxels, {stored.name}, is missing. Put both into one folder.")
    voxels.check_bytes(path, shape, dtype, stored.stat().st_size, compressed=_is_compressed(stored))


def _stored(image: Any) -> Path:
    return Path(image.file_map["image"].filename)


def _is_compressed(stored: Path) -> bool:
    return stored.suffix.lower() == ".gz"


def _affine(path: Path, image: Any, count: int) -> npt.NDArray[np.float64]:
    affine = np.array(image.affine, dtype=np.float64)
    affine[:3] *= _MILLIMETRES.get(int(_field(image.header, "xyzt_units", 2)) & 7, 1.0)
    return voxels.checked_affine(path, affine, flat=count == 2)


def _field(header: Any, name: str, default: Any) -> Any:
    return header[name] if name in header.keys() else default  # noqa: SIM118 - not a dict: `in` compares values


def _data(path: Path, image: Any) -> npt.NDArray[Any]:
    """Return the voxels in the order of the file (x first, frames and channels last), scaled and in native bytes."""
    try:
        raw = _gunzipped(image) if _is_compressed(_stored(image)) else image.dataobj.get_unscaled()
    except voxels.DAMAGE as error:
        raise FileError(f"{path} is cut short or damaged: {error}. Copy or download it again.") from error
    if isinstance(raw, np.memmap) and raw.nbytes < _MAP_FROM_BYTES:
        raw = np.array(raw)
    if raw.dtype.names is not None:  # RGB24 and RGBA32 are records of bytes
        return np.stack([raw[name] for name in raw.dtype.names[:3]], axis=-1)
    slope, intercept = float(image.dataobj.slope), float(image.dataobj.inter)
    if (slope, intercept) == (1.0, 0.0):
        return voxels.native(raw)
    if not np.isfinite([slope, intercept]).all():
        raise FileError(f"{path}: its intensity scale is not a number ({slope}, {intercept}). Export the image again.")
    return voxels.scaled(raw, slope, intercept)


def _gunzipped(image: Any) -> npt.NDArray[Any]:
    # Read from one stream to its end, so that the checksum of the whole file is compared too.
    proxy = image.dataobj
    with gzip.open(_stored(image), "rb") as stream:
        raw = nib.arrayproxy.ArrayProxy(stream, (proxy.shape, proxy.dtype, proxy.offset)).get_unscaled()
        while stream.read(1 << 20):
            pass
    return np.asarray(raw)


def _named_axes(path: Path, data: npt.NDArray[Any], is_vector: bool) -> tuple[npt.NDArray[Any], Axes]:
    """Return `data` with its last axis x, and the names of its axes."""
    shape = data.shape + (1,) * (5 - data.ndim)
    if len(shape) > 5 and max(shape[5:]) > 1:
        raise FileError(f"{path} has {data.ndim} dimensions {data.shape}. Save the part of interest with at most four.")
    frames, channels = shape[3], int(np.prod(shape[4:]))
    if is_vector and channels == 1:
        frames, channels = 1, frames
    if frames > 1 and channels > 1:
        raise FileError(
            f"{path} holds {frames} frames of {channels} channels, which cannot be shown together. "
            "Save one frame or one channel to a file of its own."
        )
    space = shape[:2] if data.ndim == 2 else shape[:3]
    lead = "t" if frames > 1 else "c" if channels > 1 else ""
    if lead and data.ndim == 3:  # a coloured plane
        space = shape[:2]
    names = lead + "zyx"[3 - len(space) :]
    reshaped = data.reshape(space + ((max(frames, channels),) if lead else ()), order="F")
    return reshaped.T, names  # type: ignore[return-value]


def _is_vector(header: Any) -> bool:
    return int(_field(header, "intent_code", 0)) in _VECTOR_INTENTS or header.get_data_dtype().names is not None


def _kind(header: Any, data: npt.NDArray[Any]) -> tuple[Kind, npt.NDArray[Any]]:
    title, _, said = _description(header).partition(" ")
    if title == _TITLE and said in ("probability", "uncertainty"):
        return said, data  # type: ignore[return-value]
    if int(_field(header, "intent_code", 0)) != _LABEL_INTENT:
        return "image", data
    if data.dtype.kind == "f":
        whole = data.astype(np.int32)
        return ("labels", whole) if np.array_equal(whole, data) else ("image", data)
    return "labels", data


def _description(header: Any) -> str:
    return bytes(_field(header, "descrip", b"")).decode("latin-1").rstrip("\0 ")


def _place(header: Any) -> dict[str, Any]:
    return {name: np.array(header[name]).tolist() for name in _PLACE if name in header.keys()}  # noqa: SIM118


def _set_place(header: Any, volume: Volume) -> None:
    read = volume.header.get("nifti")
    if read and len(read) == len(_PLACE) and np.array_equal(volume.affine, volume.header["affine"]):
        for name, value in read.items():
            header[name] = value
        return
    # Code 1, scanner coordinates: what DICOM and ITK sources mean.
    header.set_xyzt_units("mm", "sec")
    header["pixdim"][1:4] = np.linalg.norm(volume.affine[:3, :3], axis=0)
    try:
        header.set_qform(volume.affine, code=1, strip_shears=False)
    except HeaderDataError:
        header.set_qform(None, code=0)  # a quaternion cannot hold the shear: better none than a wrong one
    header.set_sform(volume.affine, code=1)


def _file_order(volume: Volume, data: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return `data` with the axes of a NIfTI: x, y, z, frames, channels."""
    lead = volume.axes[0] if volume.axes[0] in "ct" else ""
    flipped = data.T
    if not lead:
        return flipped
    if len(volume.spatial_axes) == 2:
        flipped = flipped[:, :, np.newaxis]
    return flipped if lead == "t" else flipped[:, :, :, np.newaxis]
