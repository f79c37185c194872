"""The pixels of DICOM files, as the numbers that they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.uid import UID

from napari_medfreq.errors import FileError
from napari_medfreq.io.dicomdecode import decode
from napari_medfreq.io.dicomplane import DAMAGE, macro, read_dataset

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from pydicom.dataset import Dataset

_MISSING = "missing dependencies"  # how pydicom says that it has no decoder
# Which package decodes what neither pydicom nor GDCM can.
_PLUGINS = {
    "1.2.840.10008.1.2.4.50": "pylibjpeg pylibjpeg-libjpeg",
    "1.2.840.10008.1.2.4.51": "pylibjpeg pylibjpeg-libjpeg",
    "1.2.840.10008.1.2.4.57": "pylibjpeg pylibjpeg-libjpeg",
    "1.2.840.10008.1.2.4.70": "pylibjpeg pylibjpeg-libjpeg",
    "1.2.840.10008.1.2.4.80": "pyjpegls",
    "1.2.840.10008.1.2.4.81": "pyjpegls",
    "1.2.840.10008.1.2.4.90": "pylibjpeg pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.91": "pylibjpeg pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.201": "pylibjpeg pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.202": "pylibjpeg pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.203": "pylibjpeg pylibjpeg-openjpeg",
}
# Weights of red, green and blue in brightness (ITU-R BT.601).
_BRIGHTNESS = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def read_frames(path: Path) -> npt.NDArray[Any]:
    """Return all frames of a DICOM file.

    Returns
    -------
    numpy.ndarray, shape (frames, rows, columns) or (frames, rows, columns, 3)
        Rescaled by slope and intercept to float32, where there are any, else in the type of the file. Bright is much
        (``MONOCHROME1`` is inverted); colours are RGB.

    Raises
    ------
    FileError
        If the pixels are missing, cut short, or compressed in a way for which no decoder is installed.
    """
    dataset = read_dataset(path, pixels=True)
    try:
        frames = _frames(dataset)
    except DAMAGE as error:
        syntax = str(dataset.file_meta.get("TransferSyntaxUID", ""))
        if _MISSING in str(error) and syntax in _PLUGINS:
            raise FileError(
                f"{path} is compressed ({UID(syntax).name}) and cannot be decoded. If a copy of it fails as well, "
                f"install another decoder: pip install {_PLUGINS[syntax]}  - then start again."
            ) from error
        raise FileError(f"{path}: its pixels are missing or damaged ({error}). Copy or export it again.") from error
    if frames.size == 0:
        raise FileError(f"{path} holds no image: its size is {frames.shape}. Export it again from where it came.")
    return frames


def brightness(colours: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return the brightness of RGB bytes, shape (..., 3) to (...)."""
    grey: npt.NDArray[np.uint8] = np.rint(colours @ _BRIGHTNESS).astype(np.uint8)
    return grey


def _frames(dataset: Dataset) -> npt.NDArray[Any]:
    raw = _stored(dataset)
    if dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
        raw = _bytes(apply_color_lut(raw, dataset)[..., :3])
    is_colour = raw.ndim > 2 and raw.shape[-1] == 3 and int(dataset.get("SamplesPerPixel", 1)) == 3
    is_colour = is_colour or dataset.get("PhotometricInterpretation") == "PALETTE COLOR"
    frames = raw.reshape((-1, *raw.shape[-3:])) if is_colour else raw.reshape((-1, *raw.shape[-2:]))
    if is_colour:
        return frames
    if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
        frames = _inverted(frames, dataset)
    return _rescaled(frames, dataset)


def _stored(dataset: Dataset) -> npt.NDArray[Any]:
    """Return the numbers in the file, decoded by pydicom and its plugins or else by GDCM."""
    try:
        pixels: npt.NDArray[Any] = dataset.pixel_array
    except DAMAGE as error:
        if _MISSING not in str(error):
            raise
        try:
            return decode(dataset)
        except RuntimeError:
            raise error from None
    return pixels


def _bytes(colours: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    if colours.dtype == np.uint16:
        return (colours >> 8).astype(np.uint8)
    return colours.astype(np.uint8)


def _inverted(frames: npt.NDArray[Any], dataset: Dataset) -> npt.NDArray[Any]:
    if frames.dtype.kind == "f":
        return np.asarray(frames.max() - frames)
    highest = (1 << int(dataset.BitsStored)) - 1
    # The largest value of signed pixels is the mirror of the smallest: -1 - v.
    mirror = -1 if int(dataset.get("PixelRepresentation", 0)) else highest
    return (mirror - frames.astype(np.int64)).astype(frames.dtype)


def _rescaled(frames: npt.NDArray[Any], dataset: Dataset) -> npt.NDArray[Any]:
    if dataset.get("ModalityLUTSequence"):
        return np.asarray(apply_modality_lut(frames, dataset), dtype=np.float32)
    scales = [_scale(dataset, index) for index in range(len(frames))]
    if all(scale == (1.0, 0.0) for scale in scales):
        return frames
    slopes, intercepts = np.array(scales, dtype=np.float32).T[:, :, np.newaxis, np.newaxis]
    result: npt.NDArray[np.float32] = np.multiply(frames, slopes, dtype=np.float32, casting="unsafe")
    result += intercepts
    return result


def _scale(dataset: Dataset, index: int) -> tuple[float, float]:
    item = macro(dataset, index, "PixelValueTransformationSequence")
    return float(item.get("RescaleSlope", 1.0)), float(item.get("RescaleIntercept", 0.0))
