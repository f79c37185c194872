"""DICOM images, by pydicom: one file, a file of many frames, or a folder with the series of a whole study."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medfreq.errors import FileError
from napari_medfreq.io.dicompixels import brightness, read_frames
from napari_medfreq.io.dicomplane import SEGMENTATION, planes_of, read_dataset
from napari_medfreq.io.dicomstack import Stack, stacks_of
from napari_medfreq.io.sniff import sniff
from napari_medfreq.volume import Axes, Volume

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_medfreq.io.dicomplane import Plane

_DICOM_ENDINGS = {".dcm", ".dicom", ".ima"}


@dataclass(frozen=True)
class SeriesInfo:
    """What a dialog shows of one series of a folder.

    Attributes
    ----------
    uid : str
        What `read_folder` takes as `series`: the series instance UID, with ``#2``, ``#3`` ... added for the further
        stacks of a series that holds several (a localiser in three directions).
    description, modality : str
        As the scanner wrote them.
    count : int
        Number of images.
    shape : tuple of int
        Shape of the volume, ``(t) (z) y x``.
    """

    uid: str
    description: str
    modality: str
    count: int
    shape: tuple[int, ...]


def list_series(folder: Path) -> list[SeriesInfo]:
    """Return the image series below `folder`, in the order of their files. Reads headers only.

    Raises
    ------
    FileError
        If a DICOM file in it is damaged, or none holds an image.
    """
    stacks, segmentations = _scan(folder)
    found = [
        SeriesInfo(uid, stack.first.description, stack.first.modality, stack.count, stack.shape)
        for uid, stack in stacks.items()
    ]
    return found + [
        SeriesInfo(uid, plane.description, "SEG", len(path_planes), (len(path_planes), *plane.shape))
        for uid, path_planes in segmentations.items()
        for plane in path_planes[:1]
    ]


def read_folder(folder: Path, series: str | None = None) -> list[Volume]:
    """Read the image series below `folder`: all, or the one that `series` names.

    Parameters
    ----------
    folder : pathlib.Path
        Searched with its subfolders; files that are not DICOM images are passed over.
    series : str, optional
        A `SeriesInfo.uid`, or a series instance UID for all stacks of that series.

    Returns
    -------
    list of Volume
        One for each stack of one series, size and direction. Slices lie in the order of their positions; where whole
        ones are missing, empty ones keep the place; frames at one place become ``t``. ``header["notes"]`` tells of all
        that is irregular; ``header["dicom"]["planes"][t][z]`` holds path, frame and SOP instance UID of each slice.

    Raises
    ------
    FileError
        If a file is damaged, its compression needs a decoder, or there is no such series.
    """
    from napari_medfreq.io import dicomseg

    stacks, segmentations = _scan(folder)
    wanted = {uid: stack for uid, stack in stacks.items() if series in (None, uid, uid.partition("#")[0])}
    volumes = [_volume(stack, folder) for stack in wanted.values()]
    volumes += [dicomseg.read(planes[0].path) for uid, planes in segmentations.items() if series in (None, uid)]
    if not volumes:
        known = ", ".join([*stacks, *segmentations])
        raise FileError(f"{folder} holds no series {series}. It holds {known}.")
    return volumes


def read_file(path: Path) -> list[Volume]:
    """Read one DICOM file: a slice, a clip, an enhanced file with whole volumes, or a segmentation.

    Raises
    ------
    FileError
        If the file is damaged, holds no image, or its compression needs a decoder.
    """
    from napari_medfreq.io import dicomseg

    dataset = read_dataset(path)
    if dataset.SOPClassUID == SEGMENTATION:
        return [dicomseg.read(path)]
    planes = planes_of(dataset, path)
    if not planes:
        raise FileError(
            f"{path} holds no image but a {dataset.SOPClassUID.name}. Open the files of the images instead."
        )
    return [_volume(stack, path) for stack in stacks_of(planes)]


def _scan(folder: Path) -> tuple[dict[str, Stack], dict[str, list[Plane]]]:
    """Return the stacks and the segmentations below `folder`, each by its uid."""
    planes: list[Plane] = []
    segmentations: dict[str, list[Plane]] = {}
    for path in _dicom_files(folder):
        dataset = read_dataset(path)
        found = planes_of(dataset, path)
        if dataset.SOPClassUID == SEGMENTATION:
            segmentations[f"{dataset.get('SeriesInstanceUID', '')}/{dataset.get('SOPInstanceUID', '')}"] = found
        else:
            planes += found
    if not planes and not segmentations:
        raise FileError(
            f"{folder} holds no DICOM image. Images of another kind are opened by their files, not by their folder: "
            f"{folder.name}/*"
        )
    stacks: dict[str, Stack] = {}
    counts: dict[str, int] = {}
    for stack in stacks_of(planes):
        uid = stack.first.series
        counts[uid] = counts.get(uid, 0) + 1
        stacks[uid if counts[uid] == 1 else f"{uid}#{counts[uid]}"] = stack
    return stacks, segmentations


def _dicom_files(folder: Path) -> list[Path]:
    paths = sorted(Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    found = [path for path in paths if path.is_file() and not path.name.startswith(".")]
    return [path for path in found if path.suffix.lower() in _DICOM_ENDINGS or sniff(path) == "DICOM"]


def _volume(stack: Stack, source: Path) -> Volume:
    notes = list(stack.notes)
    data, axes = _data(stack, notes)
    said = {
        "series": stack.first.series,
        "description": stack.first.description,
        "modality": stack.first.modality,
        "planes": [[_reference(plane) for plane in row] for row in stack.planes],
    }
    return Volume(
        data,
        stack.affine,
        axes,
        ("red", "green", "blue") if axes[0] == "c" else (),
        name=stack.first.description or source.stem,
        calibrated=stack.calibrated,
        source=source,
        header={"dicom": said, "notes": notes},
    )


def _reference(plane: Plane | None) -> dict[str, Any] | None:
    return None if plane is None else {"path": str(plane.path), "frame": plane.frame, "uid": plane.uid}


def _data(stack: Stack, notes: list[str]) -> tuple[npt.NDArray[Any], Axes]:
    frames = _frames_by_place(stack)
    if stack.first.is_colour and len(stack.planes) > 1:
        frames = brightness(frames)
        notes.append("The colours of this clip are shown as grey values.")
    colours = frames.ndim == 5
    data = np.moveaxis(frames, -1, 0) if colours else frames  # (c,) t z y x
    if len(stack.planes) == 1:
        data = data.squeeze(-4)
    if not stack.is_volume:
        data = data.squeeze(-3)
    lead = "c" if colours else "t" if len(stack.planes) > 1 else ""
    axes: Any = lead + ("zyx" if stack.is_volume else "yx")
    return np.ascontiguousarray(data), axes


def _frames_by_place(stack: Stack) -> npt.NDArray[Any]:
    """Return the pixels in the shape (t, z, rows, columns) or (t, z, rows, columns, 3)."""
    wanted: dict[Path, list[tuple[int, int, int]]] = {}
    for t, row in enumerate(stack.planes):
        for z, plane in enumerate(row):
            if plane is not None:
                wanted.setdefault(plane.path, []).append((t, z, plane.frame))
    result: npt.NDArray[Any] | None = None
    for path, places in wanted.items():
        frames = read_frames(path)
        if result is None:
            result = np.zeros((len(stack.planes), len(stack.planes[0]), *frames.shape[1:]), frames.dtype)
        elif frames.dtype != result.dtype:  # some slices are rescaled, others are not
            result = result.astype(np.promote_types(result.dtype, frames.dtype))
        for t, z, frame in places:
            if frame >= len(frames) or frames.shape[1:] != result.shape[2:]:
                raise FileError(f"{path} holds fewer images than it announces. Copy or export it again.")
            result[t, z] = frames[frame]
    if result is None:
        raise FileError("The series holds no image. Export it again.")
    _fill_missing(stack, result)
    return result


def _fill_missing(stack: Stack, data: npt.NDArray[Any]) -> None:
    missing = [z for z, plane in enumerate(stack.planes[0]) if plane is None]
    if missing:
        data[:, missing] = np.delete(data, missing, axis=1).min()
