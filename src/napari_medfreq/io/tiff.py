"""TIFF, by tifffile: planes, stacks and clips, with the size that ImageJ or OME state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from napari_medfreq.errors import FileError
from napari_medfreq.io import voxels
from napari_medfreq.io.atomic import replacing
from napari_medfreq.volume import Axes, Kind, Volume

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

_KIND_PREFIX = "napari-medfreq "
_MILLIMETRES = {"nm": 1e-6, "µm": 1e-3, "μm": 1e-3, "um": 1e-3, "micron": 1e-3, "microns": 1e-3, "\\u00b5m": 1e-3,
                "mm": 1.0, "cm": 10.0, "m": 1000.0, "inch": 25.4}  # fmt: skip
# tifffile's letters: Z slices, I and Q pages without a meaning, S samples of a colour, C channels, T frames.
_MEANING = {"Y": "y", "X": "x", "Z": "z", "I": "z", "Q": "z", "S": "c", "C": "c", "T": "t"}
_WHITE_IS_ZERO, _RGB, _PALETTE = 0, 2, 3


def read(path: Path) -> Volume:
    """Read the first image of a TIFF file.

    Returns
    -------
    Volume
        A stack of pages is ``zyx`` unless ImageJ or OME call it frames or channels. Calibrated only where ImageJ or OME
        state the size of a pixel: the print resolution of other files says nothing.

    Raises
    ------
    FileError
        If the file is damaged, or has axes that cannot be shown together.
    """
    try:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            page: Any = series.keyframe
            _check(path, series, page)
            data, axes = _named_axes(path, _pixels(series, page), series.axes, _has_alpha(page))
            size = _size(file, page)
            kind = _kind(file)
    except (*voxels.DAMAGE, ElementTree.ParseError) as error:
        raise FileError(f"{path} is damaged or cannot be decoded: {error}. Copy or export it again.") from error
    sx, sy, sz = size or (1.0, 1.0, 1.0)
    return Volume(
        voxels.native(data),
        np.diag([-sx, -sy, sz, 1.0]),  # as it is looked at: columns to the patient's left, rows downwards
        axes,
        voxels.channel_names(data) if axes[0] == "c" else (),
        kind,
        voxels.stem(path),
        calibrated=size is not None,
        source=path,
        header={"notes": []},
    )


def write(volume: Volume, path: Path) -> None:
    """Write `volume` as TIFF in the layout of OME, compressed, with the size of its voxels but without its orientation.

    Raises
    ------
    FileError
        If the data are complex, or the file cannot be written.
    """
    data = voxels.storable(volume, path)
    metadata: dict[str, Any] = {"axes": volume.axes.upper(), "Description": f"{_KIND_PREFIX}{volume.kind}"}
    if volume.calibrated:
        for axis, spacing in zip(volume.spatial_axes.upper(), volume.spacing, strict=True):
            metadata |= {f"PhysicalSize{axis}": spacing, f"PhysicalSize{axis}Unit": "mm"}
    with replacing(path) as temporary:
        tifffile.imwrite(temporary, data, ome=True, photometric="minisblack", compression="zlib", metadata=metadata)


def _check(path: Path, series: Any, page: Any) -> None:
    """Refuse, before any memory is taken, what the file cannot hold."""
    voxels.check_shape(path, tuple(series.shape))
    voxels.check_type(path, np.dtype(series.dtype))
    if page.compression in (1, 8, 32946):  # none, deflate
        size = path.stat().st_size
        voxels.check_bytes(path, series.shape, np.dtype(series.dtype), size, compressed=page.compression != 1)


def _pixels(series: Any, page: Any) -> npt.NDArray[Any]:
    data: npt.NDArray[Any] = series.asarray()
    if page.photometric == _WHITE_IS_ZERO and data.dtype.kind == "u":
        data = np.iinfo(data.dtype).max - data
    if page.photometric == _PALETTE and page.colormap is not None:
        data = np.moveaxis((page.colormap[:, data] >> 8).astype(np.uint8), 0, -1)
    return data.astype(np.uint8) if data.dtype.kind == "b" else data


def _has_alpha(page: Any) -> bool:
    return bool(page.extrasamples) and page.photometric in (0, 1, _RGB)


def _named_axes(path: Path, data: npt.NDArray[Any], letters: str, has_alpha: bool) -> tuple[npt.NDArray[Any], Axes]:
    """Return `data` with its axes in the order of a volume, and their names; axes of length 1 are left out."""
    letters += "S" * (data.ndim - len(letters))  # the colours of a palette
    if has_alpha and letters.endswith("S"):
        data = data[..., :-1]
    keep = [i for i, letter in enumerate(letters) if data.shape[i] > 1 or letter in "YX"]
    data = data.reshape([data.shape[i] for i in keep])
    names = "".join(_MEANING.get(letters[i], "?") for i in keep)
    wanted: Any = "".join(letter for letter in "ctzyx" if letter in names)
    if sorted(wanted) != sorted(names) or wanted not in ("yx", "cyx", "tyx", "zyx", "czyx", "tzyx"):
        raise FileError(
            f"{path} has the axes {letters} of the lengths {data.shape}, which cannot be shown together. "
            "Save one frame or one channel to a file of its own."
        )
    return np.ascontiguousarray(data.transpose([names.index(letter) for letter in wanted])), wanted


def _kind(file: Any) -> Kind:
    """Return what `write` said that the numbers mean."""
    description = None
    if file.ome_metadata:
        description = ElementTree.fromstring(file.ome_metadata).findtext("{*}Image/{*}Description")
    kind = (description or "").removeprefix(_KIND_PREFIX)
    return kind if kind in ("labels", "probability", "uncertainty") else "image"  # type: ignore[return-value]


def _size(file: Any, page: Any) -> tuple[float, float, float] | None:
    """Return the size of a voxel along x, y and z in mm; None if the file does not state it."""
    if file.ome_metadata:
        return _ome_size(file.ome_metadata)
    said = file.imagej_metadata or {}
    unit = _MILLIMETRES.get(str(said.get("unit", "")).strip())
    if unit is None or "XResolution" not in page.tags or "YResolution" not in page.tags:
        return None
    # ImageJ states pixels per unit, as a fraction.
    sizes = [unit * v[1] / v[0] if v[0] else 0.0 for v in (page.tags[n].value for n in ("XResolution", "YResolution"))]
    depth = unit * abs(float(said.get("spacing", 1.0)))
    return (sizes[0], sizes[1], depth or 1.0) if min(sizes) > 0 else None


def _ome_size(text: str) -> tuple[float, float, float] | None:
    pixels = ElementTree.fromstring(text).find(".//{*}Pixels")
    if pixels is None or "PhysicalSizeX" not in pixels.attrib:
        return None
    sizes = []
    for axis in "XYZ":
        unit = _MILLIMETRES.get(pixels.attrib.get(f"PhysicalSize{axis}Unit", "µm"))
        stated = float(pixels.attrib.get(f"PhysicalSize{axis}", 0.0))
        sizes.append((unit or 0.0) * stated)
    return (sizes[0], sizes[1], sizes[2] or 1.0) if min(sizes[:2]) > 0 else None
