"""Photographs, screen shots and microscope images: PNG, JPEG and BMP by Pillow, TIFF by `tiff`.

A camera's orientation tag is obeyed: the picture is read as every viewer shows it, and a mask that is saved beside it
lies on the picture as it is seen. The print resolution (dpi) of such files says nothing about the size of what they
show, so they are not `calibrated`: sizes are in pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from napari_medfreq.errors import FileError
from napari_medfreq.io import voxels
from napari_medfreq.io.atomic import replacing
from napari_medfreq.volume import LPS_FROM_RAS, Volume

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

_TITLE = "napari-medfreq"
_ORIENTATION_TAG = 0x0112


def read(path: Path) -> Volume:
    """Read a PNG, JPEG or BMP picture.

    Returns
    -------
    Volume
        Grey pictures ``yx`` in uint8 or uint16, coloured ones (palettes too) ``cyx`` with red, green and blue in uint8;
        transparency is left out.

    Raises
    ------
    FileError
        If the file is damaged or too large to be a picture.
    """
    try:
        with Image.open(path) as picture:
            turned = int(picture.getexif().get(_ORIENTATION_TAG, 1))
            is_labels = picture.info.get("Description") == f"{_TITLE} labels"
            data = _array(ImageOps.exif_transpose(picture))
    except UnidentifiedImageError as error:
        raise FileError(f"{path} is not a picture, or its beginning is damaged. Copy or export it again.") from error
    except Image.DecompressionBombError as error:
        raise FileError(f"{path} announces too many pixels for a picture ({error}). Save it as TIFF.") from error
    except voxels.DAMAGE as error:
        raise FileError(f"{path} is cut short or damaged: {error}. Copy or download it again.") from error
    notes = [] if turned == 1 else ["The picture is shown, and its masks are saved, turned as the camera says."]
    colours = data.ndim == 3
    return Volume(
        data,
        # Rows downwards and columns to the right of the screen: LPS, as ITK places pictures.
        LPS_FROM_RAS.copy(),
        "cyx" if colours else "yx",
        ("red", "green", "blue") if colours else (),
        "labels" if is_labels else "image",
        voxels.stem(path),
        calibrated=False,
        source=path,
        header={"notes": notes},
    )


def write(volume: Volume, path: Path) -> None:
    """Write a plane of labels or of bytes as PNG; the value of a pixel is the label.

    Raises
    ------
    FileError
        If `volume` is three-dimensional or holds values that a PNG cannot, or the file cannot be written.
    """
    data = voxels.storable(volume, path)
    if volume.axes not in ("yx", "cyx"):
        raise FileError(
            f"{path} was not written: {volume.name} has {data.ndim} dimensions {data.shape}, a PNG holds one plane. "
            "Save it as NIfTI (.nii.gz), NRRD or TIFF."
        )
    if data.dtype == np.uint8 and volume.axes == "cyx" and data.shape[0] == 3:
        pixels = np.moveaxis(data, 0, -1)
    elif data.dtype in (np.uint8, np.uint16) and volume.axes == "yx":
        pixels = data
    else:
        raise FileError(
            f"{path} was not written: {volume.name} holds {data.dtype} values in {volume.n_channels} channels, a PNG "
            "whole numbers from 0 to 65535 (or 8-bit colours). Save it as TIFF, NIfTI (.nii.gz) or NRRD."
        )
    with replacing(path) as temporary:
        said = PngInfo()
        said.add_text("Description", f"{_TITLE} {volume.kind}")
        Image.fromarray(np.ascontiguousarray(pixels)).save(temporary, pnginfo=said)


def _array(picture: Image.Image) -> npt.NDArray[Any]:
    """Return the pixels: (rows, columns), or (3, rows, columns) of a coloured picture."""
    if picture.mode.startswith("I;16"):
        return np.asarray(picture).astype(np.uint16)
    if picture.mode == "I":  # how Pillow holds some 16-bit PNGs
        values = np.asarray(picture)
        return values.astype(np.uint16) if values.min() >= 0 and values.max() < 1 << 16 else values
    if picture.mode == "F":
        return np.asarray(picture)
    if picture.mode in ("1", "L", "LA", "La"):
        return np.asarray(picture.convert("L"))
    return np.ascontiguousarray(np.moveaxis(np.asarray(picture.convert("RGB")), -1, 0))
