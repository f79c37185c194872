"""From voxels to what a network sees: the one place for it, so that training and use cannot drift apart.

A volume is brought into `napari_medfreq.volume.display_orientation` first, then cut into slices along
`acquisition_axis`; each slice is normalised (`normalise`), joined by its neighbours (`neighbours`) and brought to the
model's grid (`resize`, or `resample_size`, `padded_size` and `pad`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from torch import Tensor

Normalisation = Literal["unit", "percentile"]
MULTIPLE = 32  # the stride of the encoder's last stage
_CLIP = (0.5, 99.5)  # percentiles
_LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601


def normalise(array: npt.NDArray[Any], method: Normalisation) -> npt.NDArray[np.float32]:
    """Bring the intensities of one channel (or of a picture's colours together) to [0, 1].

    Parameters
    ----------
    array : numpy.ndarray
        Real numbers of any dtype and shape; NaN and infinities count as 0.
    method : {"unit", "percentile"}
        See `intensity_range`.

    Returns
    -------
    numpy.ndarray
        float32, shape of `array`, range [0, 1]; all 0 where `array` is constant.
    """
    return rescale(array, *intensity_range(array, method))


def luminance(colours: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return what a model of one channel sees of red, green and blue.

    Parameters
    ----------
    colours : numpy.ndarray, shape (3, ...)
        Red, green and blue on one scale.

    Returns
    -------
    numpy.ndarray, shape (1, ...)
        ``0.299 R + 0.587 G + 0.114 B`` (ITU-R BT.601): bytes stay bytes, all else becomes float.
    """
    weights = np.asarray(_LUMINANCE, np.float32).reshape(3, *(1,) * (colours.ndim - 1))
    grey: npt.NDArray[Any] = (colours * weights).sum(axis=0, keepdims=True)
    return np.rint(grey).astype(np.uint8) if colours.dtype == np.uint8 else grey


def intensity_range(array: npt.NDArray[Any], method: Normalisation) -> tuple[float, float]:
    """Return the intensities that become 0 and 1.

    ``percentile`` takes the 0.5 and 99.5 percentile of the finite values: MR and ultrasound have no fixed scale.
    ``unit`` takes what the numbers can mean where that is known: 0 to 255 for bytes, 0 to 1 for booleans and for
    floats within [0, 1]; anything else has no such scale (12 bits stored in 16, Hounsfield units) and gets its
    percentiles.
    """
    if method == "unit":
        if array.dtype == np.uint8:
            return 0.0, 255.0
        if array.dtype == np.bool_:
            return 0.0, 1.0
    values = array
    if array.dtype.kind == "f":
        finite = np.isfinite(array)
        values = array if finite.all() else array[finite]
    if not values.size:
        return 0.0, 0.0
    if method == "unit" and values.dtype.kind == "f" and values.min() >= 0.0 and values.max() <= 1.0:
        return 0.0, 1.0
    if values.dtype.kind == "b" or (values.dtype.kind == "f" and values.dtype.itemsize < 4):
        values = values.astype(np.float32)
    low, high = (float(v) for v in np.percentile(values, _CLIP))
    if low == high:
        # Fewer than 0.5 % of the values differ (a dot on black): what there is must still be seen.
        low, high = float(values.min()), float(values.max())
    return low, high


def rescale(array: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.float32]:
    """Map `low`, `high` to 0, 1 and clip; NaN and infinities count as 0 before, a range without width gives 0."""
    if not high > low:
        return np.zeros(array.shape, np.float32)
    # Large integers and doubles lose too much in float32 before the offset is taken off.
    values: npt.NDArray[np.floating[Any]] = array.astype(np.float32 if array.dtype.itemsize <= 2 else np.float64)
    if array.dtype.kind == "f" and not np.isfinite(values).all():
        values[~np.isfinite(values)] = 0.0
    np.subtract(values, low, out=values)
    np.multiply(values, 1.0 / (high - low), out=values)
    return np.clip(values, 0.0, 1.0, out=values).astype(np.float32, copy=False)


def acquisition_axis(shape: Sequence[int], spacing: Sequence[float]) -> int:
    """Return the axis along which a volume was acquired slice by slice: a single slice, else the coarsest spacing.

    Among equals the first wins, which is the head-foot axis of a volume in display orientation.
    """
    if 1 in shape:
        return list(shape).index(1)
    return next(axis for axis, step in enumerate(spacing) if step >= 0.99 * max(spacing))


def neighbour_indices(centres: npt.NDArray[np.intp], slices: int, total: int) -> npt.NDArray[np.intp]:
    """Return which planes are seen with each of `centres`: shape (len(centres), slices), edges replicated."""
    half = slices // 2
    indices: npt.NDArray[np.intp] = centres[:, None] + np.arange(-half, half + 1)
    return np.clip(indices, 0, total - 1, out=indices)


def neighbours(stack: Tensor, slices: int) -> Tensor:
    """Give each plane its neighbours as channels.

    Parameters
    ----------
    stack : torch.Tensor, shape (Z, H, W) or (Z, C, H, W)
        The planes of a volume.
    slices : int
        Odd; how many planes are seen together. Beyond the ends the last plane is repeated.

    Returns
    -------
    torch.Tensor, shape (Z, slices * C, H, W)
        The planes from below to above, each with all its channels.
    """
    if stack.ndim == 3:
        stack = stack[:, None]
    centres = np.arange(len(stack), dtype=np.intp)
    return gather(stack, neighbour_indices(centres, slices, len(stack)))


def gather(stack: Tensor, indices: npt.NDArray[np.intp]) -> Tensor:
    """Return ``stack[indices]``, (N, slices, C, H, W), with planes and channels joined: (N, slices * C, H, W)."""
    if indices.shape[1] == 1 and np.array_equal(indices[:, 0], np.arange(len(stack))):
        return stack
    return stack[torch.from_numpy(indices)].flatten(1, 2)


def resize(images: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Resize (N, C, H, W) to `size` (height, width): bilinear, antialiased, corners not aligned; as is if it fits."""
    target = (size, size) if isinstance(size, int) else size
    if tuple(images.shape[-2:]) == target:
        return images
    return F.interpolate(images, target, mode="bilinear", align_corners=False, antialias=True)


def resample_size(shape: Sequence[int], spacing: Sequence[float], target: float) -> tuple[int, int]:
    """Return the pixels (height, width) of a plane of `shape` and `spacing` mm on a grid of `target` mm, at least 1."""
    height, width = (max(1, round(n * step / target)) for n, step in zip(shape, spacing, strict=True))
    return height, width


def padded_size(shape: Sequence[int], least: int = 0) -> tuple[int, int]:
    """Return `shape` (height, width) raised to multiples of 32 and to at least `least`."""
    height, width = (max(least, -(-side // MULTIPLE) * MULTIPLE) for side in shape)
    return height, width


def pad(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Repeat the last row and column of (N, C, H, W) until they fill `size` (height, width)."""
    below, right = (want - have for want, have in zip(size, images.shape[-2:], strict=True))
    return F.pad(images, (0, right, 0, below), mode="replicate") if below or right else images
