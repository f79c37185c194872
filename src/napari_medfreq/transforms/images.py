"""What a transform asks of an image, and how an image is continued beyond its edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

_SHAPES = {2: "(..., H, W)", 3: "(..., D, H, W)"}


def checked_size(image: Tensor, dims: int) -> tuple[int, ...]:
    """Return the last `dims` lengths of `image`.

    Raises
    ------
    ValueError
        If `image` is neither float32 nor float64, has too few dimensions, or has no pixels.
    """
    if image.dtype not in (torch.float32, torch.float64) or image.ndim < dims or 0 in image.shape[-dims:]:
        raise ValueError(
            f"expected float32 or float64 of shape {_SHAPES[dims]}, not {image.dtype} {tuple(image.shape)}; "
            "convert whole numbers with .float()"
        )
    return tuple(image.shape[-dims:])


def mirrored(image: Tensor, multiple: int, dims: int = 2) -> Tensor:
    """Return `image` continued at the end of its last `dims` axes, up to multiples of `multiple`.

    The continuation is the mirror image with the edge repeated (half-sample symmetry), as often as it takes: a row
    ``a b c`` becomes ``a b c c b a a b``. An axis that fits is left alone; the result may be `image` itself.
    """
    for dim in range(-dims, 0):
        length = image.shape[dim]
        target = -(-length // multiple) * multiple
        if target > length:
            index = torch.arange(target, device=image.device) % (2 * length)
            image = image.index_select(dim, torch.where(index < length, index, 2 * length - 1 - index))
    return image


def cropped(image: Tensor, size: tuple[int, ...]) -> Tensor:
    """Return the first `size` pixels along the last axes of `image`."""
    index: tuple[Any, ...] = (..., *(slice(length) for length in size))
    return image[index]
