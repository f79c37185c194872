"""Cases decoded once, so that an epoch reads no image files: arrays of one size on disk, opened as memory maps."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs
import torch
from torch.nn import functional

from napari_medfreq.errors import DatasetError
from napari_medfreq.io.atomic import write_error
from napari_medfreq.io.files import read
from napari_medfreq.nn import inputs
from napari_medfreq.volume import display_orientation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from napari_medfreq.io.model_config import InputSpec
    from napari_medfreq.train.cases import Case
    from napari_medfreq.volume import Volume

_VERSION = 3


@dataclass(frozen=True)
class Packed:
    """Samples of one size.

    Attributes
    ----------
    images : ndarray, shape (N, C, size, size), uint8
        What the network sees, in 1/255.
    masks : ndarray, shape (N, size, size), uint8
        Label values.
    case : ndarray, shape (N,), int32
        Index of the case that each sample came from.
    """

    images: npt.NDArray[np.uint8]
    masks: npt.NDArray[np.uint8]
    case: npt.NDArray[np.int32]


def pack(
    cases: list[Case],
    spec: InputSpec,
    size: int,
    *,
    skip_empty: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Packed:
    """Return the samples of `cases` at `size` pixels; from the cache where the same files were packed before.

    Pictures become one sample each; volumes one a slice, each with its neighbours as channels.

    Raises
    ------
    DatasetError
        If a file cannot be used; the message names it.
    FileError
        If the cache cannot be written.
    """
    folder = platformdirs.user_cache_path("napari-medfreq", appauthor=False) / "packed"
    target = folder / _fingerprint(cases, spec, size, skip_empty)
    names = ("images", "masks", "case")
    if not (target / "case.npy").is_file():
        parts = list(_samples(cases, spec, size, skip_empty, progress))
        if not parts:
            raise DatasetError("there is nothing to train on: every mask is empty.")
        try:
            _store(target, dict(zip(names, map(np.concatenate, zip(*parts, strict=True)), strict=True)))
        except OSError as error:
            raise write_error(target, error) from error
    return Packed(*(np.load(target / f"{name}.npy", mmap_mode="r") for name in names))


def _store(target: Path, arrays: dict[str, npt.NDArray[Any]]) -> None:
    """Write the arrays into the folder `target`, which appears whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=target.parent))
    try:
        for name, array in arrays.items():
            np.save(scratch / f"{name}.npy", array)
        if not target.exists():  # another run may have packed the same cases meanwhile
            os.replace(scratch, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _samples(
    cases: list[Case],
    spec: InputSpec,
    size: int,
    skip_empty: bool,
    progress: Callable[[int, int], None] | None,
) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]]:
    for number, case in enumerate(cases):
        images, masks = prepare(read(case.image)[0], read(case.mask)[0], spec, size)
        if not skip_empty or masks.any():
            yield images, masks, np.full(len(images), number, np.int32)
        if progress is not None:
            progress(number + 1, len(cases))


def prepare(
    image: Volume, mask: Volume, spec: InputSpec, size: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return the samples (N, C, size, size) and labels (N, size, size) of an image and its mask.

    Raises
    ------
    DatasetError
        If the two do not lie on one grid, or the image is neither a picture nor a volume with a single channel.
    """
    if image.axes not in ("yx", "cyx", "zyx"):
        raise DatasetError(
            f"{image.source or image.name}: training takes pictures and volumes with one channel, not the axes "
            f"{image.axes!r}; save the channels or frames as files of their own."
        )
    truth = mask.data if mask.n_channels == 1 and mask.axes[0] != "c" else mask.data[0]
    if truth.shape != image.spatial_shape:
        raise DatasetError(
            f"{mask.source or mask.name}: the mask has the shape {truth.shape}, its image {image.spatial_shape}."
        )
    if truth.ndim == 2 and truth.max(initial=0) > 127:
        truth = truth >= 128  # pictures mark with 255, and lossy copies hold values in between
    planes, labels, steps = _planes(image, truth.astype(np.uint8), spec)
    seen = inputs.neighbours(planes, spec.slices)
    target = (size, size) if spec.spacing is None else inputs.resample_size(seen.shape[-2:], steps, spec.spacing)
    pixels = inputs.resize(seen, target).clamp(0, 1).mul(255).round().to(torch.uint8)
    classes = functional.interpolate(labels[:, None], target, mode="nearest-exact")
    if spec.spacing is not None:
        pixels, classes = _canvas(pixels, size), _canvas(classes, size, mode="constant")
    return pixels.numpy(), classes[:, 0].numpy()


def _planes(
    image: Volume, truth: npt.NDArray[np.uint8], spec: InputSpec
) -> tuple[torch.Tensor, torch.Tensor, tuple[float, float]]:
    """Return planes (Z, C, H, W) in [0, 1], labels (Z, H, W) and the pixel size of a plane."""
    if truth.ndim == 2:
        return picture(image, spec)[None], torch.from_numpy(truth)[None], (1.0, 1.0)
    orientation = display_orientation(image)
    shown = orientation.apply(inputs.normalise(np.asarray(image.data), spec.normalisation))
    spacing = [image.spacing[axis] for axis in orientation.order]
    axis = inputs.acquisition_axis(shown.shape, spacing)
    planes = np.ascontiguousarray(np.moveaxis(shown, axis, 0))
    labels = np.ascontiguousarray(np.moveaxis(orientation.apply(truth), axis, 0))
    rows, columns = (spacing[i] for i in range(3) if i != axis)
    return torch.from_numpy(planes)[:, None], torch.from_numpy(labels), (rows, columns)


def picture(image: Volume, spec: InputSpec) -> torch.Tensor:
    """Return the channels (C, H, W) of a 2D image in [0, 1], as the engine gives them to the model.

    Grey is repeated where the model wants colours; of colours a model of one channel sees the luminance.

    Raises
    ------
    DatasetError
        If the image has other channels than the model.
    """
    channels, wanted = image.data if image.axes[0] == "c" else image.data[None], len(spec.channels)
    if "alpha" in image.channels:
        channels = channels[[i for i, name in enumerate(image.channels) if name != "alpha"]]
    if len(channels) == 3 and wanted == 1:
        channels = inputs.luminance(channels)
    if len(channels) not in (1, wanted):
        raise DatasetError(
            f"{image.source or image.name}: it has {len(channels)} channels, the model {wanted} "
            f"({', '.join(spec.channels)}). Save it with these channels, or train a model for all of them."
        )
    # As the engine does: colours share one scale, contrasts have each their own.
    groups = [channels] if spec.normalisation == "unit" else np.split(channels, len(channels))
    scaled = torch.from_numpy(np.concatenate([inputs.normalise(group, spec.normalisation) for group in groups]))
    return scaled.expand(wanted, -1, -1)


def _canvas(images: torch.Tensor, size: int, mode: str = "replicate") -> torch.Tensor:
    """Bring the planes to size x size: the rest is cut off, what lacks is filled below and to the right."""
    images = images[..., :size, :size]
    below, right = size - images.shape[-2], size - images.shape[-1]
    if not (below or right):
        return images
    return functional.pad(images.float(), (0, right, 0, below), mode=mode).to(images.dtype)


def _fingerprint(cases: list[Case], spec: InputSpec, size: int, skip_empty: bool) -> str:
    try:
        files = [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for case in cases for p in (case.image, case.mask)]
    except OSError as error:
        raise DatasetError(f"{error.filename}: this file of the data cannot be read: {error.strerror}.") from error
    text = json.dumps([_VERSION, files, asdict(replace(spec, modalities=())), size, skip_empty])
    return hashlib.sha256(text.encode()).hexdigest()[:32]
