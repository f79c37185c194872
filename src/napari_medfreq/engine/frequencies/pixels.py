"""From the voxels of a `Volume` to a float32 tensor that a transform takes, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_medfreq.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

    from napari_medfreq.volume import Volume

_ALPHA = "alpha"


@dataclass(frozen=True)
class Pixels:
    r"""What a transform sees of an image.

    Attributes
    ----------
    values : torch.Tensor, shape ([C,] \*spatial), float32
        Finite.
    holes : torch.Tensor or None
        Boolean, of that shape: where the image holds no number. None where it holds numbers throughout.
    """

    values: Tensor
    holes: Tensor | None = None

    def restore(self, values: Tensor) -> npt.NDArray[np.float32]:
        """Return `values` as an array that holds NaN where the image held no number."""
        if self.holes is not None:
            values = values.masked_fill(self.holes, torch.nan)
        array: npt.NDArray[np.float32] = values.numpy()
        return array


def checked(volume: Volume) -> Volume:
    """Return `volume` without its transparency channel.

    Raises
    ------
    InputError
        If it is not an image of real numbers.
    """
    data, name = volume.data, volume.name
    if 0 in data.shape:
        raise InputError(f"{name} is empty: its shape is {data.shape}. Choose another image.")
    if data.dtype.kind == "c":
        raise InputError(f"{name} holds complex numbers. Compute its magnitude first and look at that.")
    if data.dtype.kind not in "biuf":
        raise InputError(f"{name} holds {data.dtype}, not numbers. Choose an image.")
    if volume.kind == "labels":
        raise InputError(f"{name} is a mask: its numbers are names, without frequencies. Choose the image.")
    names = [channel.lower() for channel in volume.channels]
    if volume.axes[0] != "c" or _ALPHA not in names or len(names) == 1:
        return volume
    keep = [i for i, channel in enumerate(names) if channel != _ALPHA]
    # A slice is a view, a list of indices a copy.
    picked = data[: len(keep)] if keep == list(range(len(keep))) else data[keep]
    return volume.like(picked, axes=volume.axes, channels=tuple(volume.channels[i] for i in keep))


def to_pixels(volume: Volume) -> Pixels:
    """Return the voxels of `volume`, float32; what is NaN or infinite becomes the mean of the rest of its channel.

    Raises
    ------
    InputError
        If there is no number at all.
    """
    with np.errstate(over="ignore"):
        array: npt.NDArray[Any] = np.array(volume.data, dtype=np.float32, order="C")
    values = torch.from_numpy(array)
    if volume.data.dtype.kind != "f":
        return Pixels(values)
    holes = ~values.isfinite()
    if not holes.any():
        return Pixels(values)
    if holes.all():
        raise InputError(f"{volume.name} holds no number at all here: all is NaN or infinite. Choose another image.")
    for channel, missing in zip(_channels(values, volume), _channels(holes, volume), strict=True):
        # A channel without any number becomes 0.
        channel[missing] = channel[~missing].double().mean().nan_to_num().float()
    return Pixels(values, holes)


def _channels(tensor: Tensor, volume: Volume) -> Tensor:
    return tensor if volume.axes[0] == "c" else tensor[None]


def notes_on(volume: Volume) -> list[str]:
    """Return what the user should know about the numbers of `volume`, one plane of it at a time in memory."""
    planes = volume.data.reshape(1, -1) if volume.data.ndim < 3 else volume.data
    first = volume.data.flat[0]
    notes = []
    floats = volume.data.dtype.kind == "f"
    if floats and (bad := sum(int(plane.size - np.count_nonzero(np.isfinite(plane))) for plane in planes)):
        notes.append(
            f"{volume.name}: {bad} of {volume.data.size} voxels are NaN or infinite; they were taken as the mean of "
            "the others."
        )
    elif all(bool((plane == first).all()) for plane in planes):
        notes.append(f"{volume.name} has the same value everywhere: only its low-pass band holds anything.")
    return notes
