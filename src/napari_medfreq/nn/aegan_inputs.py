"""From the contrasts of a person to what AE-GAN sees: scaling and planes, the same for training and for use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_medfreq.nn.inputs import neighbour_indices

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

_BRIGHT, _VERY_BRIGHT = 95.0, 99.9  # percentiles
_NOISE = 0.05
AIR = 0.05
"""Of the scaled intensities: what no input exceeds is outside of the head."""
RULE = (
    "0 stays 0; twice the 95 percentile of the head's voxels (those above 5 % of the bright ones) of each volume "
    "becomes 1; what is beyond is clipped"
)
"""In words, how intensities are scaled."""


def foreground(data: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return the head: what is brighter than 5 % of the 99.9 percentile of the positive values.

    MR magnitudes have no unit, but their 0 means no signal; so the head of a skull-stripped volume is what is not 0,
    and of others what stands out of the noise. NaN is no head.
    """
    finite = data[np.isfinite(data)] if data.dtype.kind == "f" else data
    positive = finite[finite > 0]
    if not positive.size:
        return np.zeros(data.shape, bool)
    bright = float(np.percentile(positive, _VERY_BRIGHT))
    result: npt.NDArray[np.bool_] = np.greater(data, _NOISE * bright)
    return result


def top_intensity(data: npt.NDArray[Any]) -> float:
    """Return the intensity that becomes 1: twice the 95 percentile over `foreground`; 0 where there is none.

    The 95 percentile is tissue (or fluid) in every person. The brightest voxels are vessels and artefacts, whose
    intensity differs between scanners by more than a factor of two: scaled by them, tissue would have no fixed place.
    """
    inside = foreground(data)
    return 2.0 * float(np.percentile(data[inside], _BRIGHT)) if inside.any() else 0.0


def scaled(data: npt.NDArray[Any], top: float | None = None) -> npt.NDArray[np.float32]:
    """Return `data` with 0 as 0 and `top` as 1, clipped to [0, 1]; NaN counts as 0.

    Parameters
    ----------
    data : numpy.ndarray
        A whole volume, any real dtype.
    top : float, optional
        By default `top_intensity` of it.
    """
    highest = top_intensity(data) if top is None else top
    if not highest > 0:
        return np.zeros(data.shape, np.float32)
    values = np.nan_to_num(data.astype(np.float32), nan=0.0, posinf=highest, neginf=0.0)
    result: npt.NDArray[np.float32] = np.clip(values / np.float32(highest), 0.0, 1.0)
    return result


def only_head(image: Tensor, inputs: Tensor) -> Tensor:
    """Return `image` with -1 (no signal) where none of its inputs shows the head in the central plane.

    So neither the networks nor their losses spend anything on air, which needs no synthesis.

    Parameters
    ----------
    image : torch.Tensor, shape (N, 1, H, W)
        What was made, range [-1, 1].
    inputs : torch.Tensor, shape (N, B, slices, H, W)
        What it was made of, range [-1, 1].
    """
    central = inputs[:, :, inputs.shape[2] // 2]
    seen = (central > 2 * AIR - 1).any(1, keepdim=True)
    return torch.where(seen, image, -1.0)


def bounding_box(mask: npt.NDArray[np.bool_], multiple: int = 4) -> tuple[slice, ...]:
    """Return the box of what is True, its last two sides grown to multiples of `multiple` where there is room."""
    if not mask.any():
        return tuple(slice(0, side) for side in mask.shape)
    box = []
    for axis, side in enumerate(mask.shape):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        found = np.flatnonzero(mask.any(axis=others))
        start, stop = int(found[0]), int(found[-1]) + 1
        if axis >= mask.ndim - 2:
            stop = min(side, stop + -(stop - start) % multiple)
            start = max(0, start - -(stop - start) % multiple)
        box.append(slice(start, stop))
    return tuple(box)


def planes(stacks: npt.NDArray[Any], centres: npt.NDArray[np.intp], slices: int) -> Tensor:
    """Return what the network sees of the planes `centres`.

    Parameters
    ----------
    stacks : numpy.ndarray, shape (B, Z, H, W)
        The inputs in the order of the branches, range [0, 1].
    centres : numpy.ndarray of int, shape (N,)
        Indices along Z.
    slices : int
        Odd; how many planes are seen together, edges replicated.

    Returns
    -------
    torch.Tensor, shape (N, B, slices, H, W), float32
        Range [-1, 1].
    """
    indices = neighbour_indices(centres, slices, stacks.shape[1])
    picked = np.moveaxis(stacks[:, indices], 0, 1)
    return torch.from_numpy(np.ascontiguousarray(picked, dtype=np.float32)).mul_(2).sub_(1)
