"""NRRD and MetaImage, by SimpleITK. Their world is LPS (x to the patient's left, y to the back); ours is RAS."""

from __future__ import annotations

import errno
import re
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from napari_medfreq.errors import FileError
from napari_medfreq.io import voxels
from napari_medfreq.io.atomic import replacing, write_error
from napari_medfreq.io.formats import suffix_of
from napari_medfreq.io.itkcheck import Header, check_voxels, read_header, voxel_file
from napari_medfreq.volume import LPS_FROM_RAS, Axes, Kind, Volume

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

_KIND_KEY = "napari-medfreq_kind"


def read(path: Path) -> Volume:
    """Read an NRRD (``.nrrd``, ``.nhdr``) or MetaImage (``.mha``, ``.mhd``) file.

    Returns
    -------
    Volume
        Vectors become ``c``, the fourth dimension ``t``. Segmentations of 3D Slicer and of this package are ``labels``.

    Raises
    ------
    FileError
        If the file is damaged, its voxels lie in a file that is missing, or it holds what cannot be shown.
    """
    try:
        reader, header = _information(path)
        image = reader.Execute()
    except RuntimeError as error:
        raise FileError(f"{path} is damaged or incomplete: {_last_line(error)}. Copy or export it again.") from error
    affine = voxels.checked_affine(path, _affine(image))
    data, axes = _named_axes(path, image)
    said = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys() if key.isprintable()}
    return Volume(
        data,
        affine,
        axes,
        voxels.channel_names(data) if axes[0] == "c" else (),
        _kind(said, data),
        voxels.stem(path),
        calibrated=_states_spacing(path, header),
        source=path,
        header={"itk": said, "notes": []},
    )


def write(volume: Volume, path: Path) -> None:
    """Write `volume` as NRRD or MetaImage, compressed, with the shape and the affine that it has.

    A plane that does not lie in the world's xy plane is written as a volume of one slice, which keeps its place.

    Raises
    ------
    FileError
        If the data are complex, or the file cannot be written.
    """
    data = voxels.storable(volume, path)
    image = _image(volume, data)
    image.SetMetaData(_KIND_KEY, volume.kind)
    with replacing(path) as temporary:
        try:
            sitk.WriteImage(image, str(temporary), useCompression=True)
            _information(temporary)  # ITK does not always notice that the disk is full
        except (RuntimeError, FileError) as error:
            full = shutil.disk_usage(path.parent).free < data.nbytes
            reason = OSError(
                errno.ENOSPC if full else errno.EIO, "what was written is incomplete; the disk may be full"
            )
            raise write_error(path, reason) from error


def _information(path: Path) -> tuple[sitk.ImageFileReader, Header]:
    """Return a reader of `path` that is ready to go, once all is found to be whole."""
    header = read_header(path)
    voxel_file(path, header)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    type_name = sitk.GetPixelIDValueAsString(reader.GetPixelID())
    if "complex" in type_name:
        voxels.check_type(path, np.dtype(np.complex64))
    bits = re.search(r"(\d+)-bit", type_name)
    if bits is None:
        raise FileError(f"{path} holds values of the type {type_name}, which is not read. Export it as numbers.")
    shape = (*reader.GetSize(), reader.GetNumberOfComponents())
    voxels.check_shape(path, shape)
    check_voxels(path, header, shape, np.dtype(f"V{int(bits[1]) // 8}"))
    return reader, header


def _states_spacing(path: Path, header: Header) -> bool:
    # A MetaImage always means millimetres; an NRRD may leave them out.
    if suffix_of(path) not in (".nrrd", ".nhdr"):
        return True
    return any(name in header.fields for name in ("space directions", "spacings", "thicknesses"))


def _affine(image: sitk.Image) -> npt.NDArray[np.float64]:
    """Return voxel (x, y, z) to world RAS; a plane gets a normal of 1 mm."""
    count = image.GetDimension()
    space = min(count, 3)
    direction = np.array(image.GetDirection()).reshape(count, count)
    lps = np.eye(4)
    lps[:space, :space] = direction[:space, :space] * np.array(image.GetSpacing())[:space]
    lps[:space, 3] = image.GetOrigin()[:space]
    ras: npt.NDArray[np.float64] = LPS_FROM_RAS @ lps
    return ras


def _named_axes(path: Path, image: sitk.Image) -> tuple[npt.NDArray[Any], Axes]:
    data = sitk.GetArrayFromImage(image)
    dimension, channels = image.GetDimension(), image.GetNumberOfComponentsPerPixel()
    if channels > 1:
        data = np.ascontiguousarray(np.moveaxis(data, -1, 0))
    if dimension == 4 and image.GetSize()[3] == 1:
        dimension, data = 3, data.squeeze(-4)
    if dimension > 4 or (dimension == 4 and channels > 1):
        raise FileError(
            f"{path} holds {dimension} dimensions of {channels} channels, which cannot be shown together. "
            "Save one frame or one channel to a file of its own."
        )
    lead = "t" if dimension == 4 else "c" if channels > 1 else ""
    return data, lead + ("yx" if dimension == 2 else "zyx")  # type: ignore[return-value]


def _kind(said: dict[str, str], data: npt.NDArray[Any]) -> Kind:
    kind = said.get(_KIND_KEY, "image")
    whole = data.dtype.kind in "bui"
    if whole and (kind == "labels" or "Segment0_ID" in said):  # the latter as 3D Slicer writes them
        return "labels"
    return kind if kind in ("probability", "uncertainty") else "image"  # type: ignore[return-value]


def _image(volume: Volume, data: npt.NDArray[Any]) -> sitk.Image:
    """Return `data` as an ITK image on the grid of `volume`."""
    lps = LPS_FROM_RAS @ volume.affine
    lead = volume.axes[0] if volume.axes[0] in "ct" else ""
    lies_flat = not (lps[2, :2].any() or lps[:2, 2].any() or lps[2, 3])
    space = 2 if len(volume.spatial_axes) == 2 and lies_flat and lead != "t" else 3
    if len(volume.spatial_axes) == 2 and space == 3:
        data = data[..., np.newaxis, :, :]
    if lead == "c":
        data = np.moveaxis(data, 0, -1)
    image = sitk.GetImageFromArray(np.ascontiguousarray(data), isVector=lead == "c")
    count = image.GetDimension()
    spacing, direction, origin = np.ones(count), np.eye(count), np.zeros(count)
    spacing[:space] = np.linalg.norm(lps[:3, :space], axis=0)
    direction[:space, :space] = lps[:space, :space] / spacing[:space]
    origin[:space] = lps[:space, 3]
    image.SetSpacing(spacing.tolist())
    image.SetDirection(direction.ravel().tolist())
    image.SetOrigin(origin.tolist())
    return image


def _last_line(error: Exception) -> str:
    return str(error).strip().rsplit("\n", 1)[-1].strip()
