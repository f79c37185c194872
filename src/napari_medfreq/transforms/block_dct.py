"""The DCT of small square blocks, as in JPEG: which frequencies each neighbourhood of an image holds.

A block X becomes ``C X C^T`` with the DCT matrix C: two small matrix products, several blocks side by side so that the
products are large enough to be fast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from napari_medfreq.transforms.bands import Band, BandKey
from napari_medfreq.transforms.dct import dct_matrix, register_orthonormal
from napari_medfreq.transforms.images import checked_size, mirrored

if TYPE_CHECKING:
    from collections.abc import Mapping

_SMALLEST, _LARGEST = 4, 64
_PRODUCT_SIDE = 64
"""Blocks side by side are taken together up to this many pixels."""
_AT_ONCE = 1 << 19
"""So many samples are between the two products at a time."""


class BlockBands(NamedTuple):
    """The coefficients of all blocks."""

    coefficients: Tensor
    """Shape (..., block, block, H / block, W / block), lengths rounded up: frequency (u, v) of each block."""
    size: tuple[int, int]
    """Height and width of the image before its extension."""


@dataclass(frozen=True)
class BlockDCT:
    """The orthonormal DCT-II of all blocks of an image, and its exact inverse.

    An image that blocks do not tile is continued by its mirror image at the lower and right edge; the inverse cuts the
    continuation off. Energy and white noise are kept as by `DCT2`. The redundancy is 1 where blocks tile the image.

    Each coefficient is a band. Its scale is ``max(u, v)``, its direction counts along that square shell from ``(0, s)``
    (stripes across x) by way of ``(s, s)`` to ``(s, 0)`` (stripes across y): so scale 0 is the mean of each block, and
    scale ``s`` has ``2 s + 1`` bands. A cosine cannot tell an angle from its mirror image, so angles lie in [0, 90].

    Parameters
    ----------
    block : int
        Side of a block, 4 to 64 pixels.

    Examples
    --------
    >>> import torch
    >>> transform = BlockDCT(8)
    >>> image = torch.rand(3, 50, 70, dtype=torch.float64)
    >>> bands = transform(image)
    >>> tuple(bands.coefficients.shape)
    (3, 8, 8, 7, 9)
    >>> bool((transform.inverse(bands) - image).abs().max() < 1e-12)
    True
    """

    block: int = 8

    def __post_init__(self) -> None:
        if not _SMALLEST <= self.block <= _LARGEST:
            raise ValueError(f"the side of a block must be {_SMALLEST} to {_LARGEST} pixels, not {self.block}")

    def __call__(self, image: Tensor) -> BlockBands:
        """Analyse `image`, float32 or float64, shape (..., H, W)."""
        height, width = checked_size(image, 2)
        whole = mirrored(image, self.block)
        blocks = _blockwise(whole, self.block, inverse=False).unflatten(-1, (-1, self.block))
        return BlockBands(_numbered(blocks.unflatten(-3, (-1, self.block))), (height, width))

    def inverse(self, bands: BlockBands) -> Tensor:
        """Return the image that has these coefficients."""
        whole = _tiled(bands.coefficients).flatten(-2).flatten(-3, -2)
        image: Tensor = _blockwise(whole, self.block, inverse=True)
        return image[..., : bands.size[0], : bands.size[1]]

    def layout(self) -> tuple[Band, ...]:
        """Return the band of each coefficient, shell by shell."""
        return tuple(
            Band(BandKey(scale, number), self._interval(scale), self._angle(u, v), f"({u}, {v})")
            for scale in range(self.block)
            for number, (u, v) in enumerate(_shell(scale))
        )

    def split(self, bands: BlockBands) -> dict[BandKey, Tensor]:
        """Return one coefficient of all blocks for each band, shape (..., H / block, W / block)."""
        return {
            BandKey(scale, number): bands.coefficients[..., u, v, :, :]
            for scale in range(self.block)
            for number, (u, v) in enumerate(_shell(scale))
        }

    def join(self, parts: Mapping[BandKey, Tensor], like: BlockBands) -> BlockBands:
        """Return coefficients made of `parts`; bands that are not among them are taken from `like`."""
        joined = like.coefficients.clone()
        for key, part in parts.items():
            u, v = _shell(key.scale)[key.direction]
            joined[..., u, v, :, :] = part
        return like._replace(coefficients=joined)

    def _interval(self, index: int) -> tuple[float, float]:
        """Cycles per sample: index u is the frequency ``u / 2 block``, and stands for half a step on either side."""
        return max(index - 0.5, 0) / (2 * self.block), min(index + 0.5, self.block) / (2 * self.block)

    @staticmethod
    def _angle(u: int, v: int) -> tuple[float, float] | None:
        if u == v == 0:
            return None
        first = math.atan2(max(u - 0.5, 0), v + 0.5)
        last = math.atan2(u + 0.5, max(v - 0.5, 0))
        return math.degrees(first), math.degrees(last)


def _shell(scale: int) -> list[tuple[int, int]]:
    """Return the (u, v) whose larger index is `scale`, by rising angle."""
    return [(u, scale) for u in range(scale)] + [(scale, v) for v in range(scale, -1, -1)]


def _numbered(blocks: Tensor) -> Tensor:
    """Bring the axes (..., row of blocks, u, column of blocks, v) into the order (..., u, v, row, column)."""
    return blocks.movedim((-3, -1), (-4, -3))


def _tiled(coefficients: Tensor) -> Tensor:
    return coefficients.movedim((-4, -3), (-3, -1))


@torch.library.custom_op(
    "medfreq::block_dct", mutates_args=(), schema="(Tensor image, int block, bool inverse) -> Tensor"
)
def _blockwise(image: Tensor, block: int, inverse: bool) -> Tensor:
    """Transform each block of (..., H, W) in its place; lengths are multiples of `block`."""
    width = image.shape[-1]
    number = math.gcd(width // block, max(_PRODUCT_SIDE // block, 1))
    down = dct_matrix(block, image.dtype, image.device)
    across = _side_by_side(block, number, image.dtype, image.device).T
    if inverse:
        down, across = down.T, across.T
    bands = image.reshape(-1, block, width)
    result = torch.empty_like(bands, memory_format=torch.contiguous_format)
    # What is between the two products fits into the cache, and no memory is asked for twice.
    rows = max(_AT_ONCE // (block * width), 1)
    for source, target in zip(torch.split(bands, rows), torch.split(result, rows), strict=True):
        columns = torch.bmm(down.expand(len(source), -1, -1), source)
        torch.mm(columns.view(-1, len(across)), across, out=target.view(-1, len(across)))
    return result.view(image.shape)


register_orthonormal(_blockwise)


@lru_cache(maxsize=32)
def _side_by_side(block: int, number: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the block-diagonal matrix of `number` DCT matrices."""
    with torch.inference_mode(False):
        return torch.kron(torch.eye(number, dtype=dtype, device=device), dct_matrix(block, dtype, device))
