"""The discrete cosine transform of whole images and volumes, and the pooling of feature maps onto a few of its terms.

With ``c_0 = sqrt(1 / N)`` and ``c_u = sqrt(2 / N)`` otherwise, the orthonormal DCT-II along an axis of N samples is

    y_u = c_u sum_n x_n cos(pi u (n + 1/2) / N)

(Ahmed, Natarajan and Rao, 1974). Its inverse, the DCT-III, is its transpose; so the sum of squares of the coefficients
is that of the samples, and the gradient of one direction is the other direction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import scipy.fft
import torch
from torch import Tensor
from torch.nn import functional

from napari_medfreq.transforms.dyadic import directions, dyadic_layout
from napari_medfreq.transforms.images import checked_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_medfreq.transforms.bands import Band, BandKey

GRID = 7
"""Side of the grid on which coefficients are taken."""

# The (row, column) frequencies that Qin et al. (FcaNet, ICCV 2021) found to help most, best first, on a 7x7 grid.
TOP_FREQUENCIES = (
    (0, 0), (0, 1), (6, 0), (0, 5), (0, 2), (1, 0), (1, 2), (4, 0),
    (5, 0), (1, 6), (3, 0), (0, 4), (0, 6), (0, 3), (3, 5), (2, 2),
    (4, 6), (6, 3), (3, 3), (5, 3), (5, 5), (2, 1), (6, 1), (5, 2),
    (5, 4), (3, 2), (3, 1), (4, 1), (2, 3), (2, 0), (6, 5), (1, 3),
)  # fmt: skip


@lru_cache(maxsize=32)
def dct_matrix(size: int, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu") -> Tensor:
    """Return the orthonormal DCT-II matrix, shape (size, size): row ``u`` is ``c_u cos(pi u (x + 1/2) / size)``."""
    # A matrix that is first asked for in inference mode must serve training later.
    with torch.inference_mode(False):
        positions = torch.arange(size, dtype=torch.float64) + 0.5
        matrix = torch.cos(math.pi / size * torch.arange(size, dtype=torch.float64)[:, None] * positions)
        matrix *= math.sqrt(2 / size)
        matrix[0] /= math.sqrt(2)
        return matrix.to(device, dtype)


def dct_basis(frequencies: int) -> Tensor:
    """Return the images of the first `frequencies` of `TOP_FREQUENCIES`, shape (frequencies, GRID, GRID), float64.

    Raises
    ------
    ValueError
        If `frequencies` is not one of 1, 2, 4, 8, 16, 32.
    """
    if frequencies not in (1, 2, 4, 8, 16, 32):
        raise ValueError(f"the number of DCT coefficients must be 1, 2, 4, 8, 16 or 32, not {frequencies}")
    matrix = dct_matrix(GRID)
    return torch.stack([torch.outer(matrix[u], matrix[v]) for u, v in TOP_FREQUENCIES[:frequencies]])


def dct_pool(feature: Tensor, basis: Tensor) -> Tensor:
    """Pool each channel over its products with the images of a DCT basis.

    Parameters
    ----------
    feature : Tensor, shape (N, C, h, w)
        Averaged down (or up) to a grid of GRID x GRID cells first, so that the frequencies mean the same at any size.
    basis : Tensor, shape (K, GRID * GRID), float32
        ``dct_basis(K).flatten(1) / GRID``: scaled so that the mean over the first product is the mean of the map.

    Returns
    -------
    Tensor, shape (3, N, C, K), float32
        Mean (the K DCT coefficients over GRID), maximum and minimum over the grid.
    """
    grid = functional.adaptive_avg_pool2d(feature, GRID).flatten(2).float()
    weighted = grid[:, :, None, :] * (basis * GRID**2)
    return torch.stack((weighted.mean(-1), weighted.amax(-1), weighted.amin(-1)))


def register_orthonormal(operator: Any) -> None:
    """Tell autograd, vmap and torch.compile about an operator (image, number, inverse) that is orthonormal.

    Its inverse is its transpose, hence its gradient; shape and dtype stay; leading dimensions do not see each other.
    """

    def fake(image: Tensor, number: int, inverse: bool) -> Tensor:
        return torch.empty_like(image, memory_format=torch.contiguous_format)

    def remember(ctx: Any, inputs: tuple[Tensor, int, bool], output: Tensor) -> None:
        _, ctx.number, ctx.inverse = inputs

    def transpose(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return operator(gradient, ctx.number, not ctx.inverse), None, None

    def vectorised(info: Any, where: tuple[int, None, None], image: Tensor, *rest: Any) -> tuple[Tensor, int]:
        return operator(image.movedim(where[0], 0), *rest), 0

    operator.register_fake(fake)
    operator.register_autograd(transpose, setup_context=remember)
    operator.register_vmap(vectorised)


@torch.library.custom_op("medfreq::dctn", mutates_args=(), schema="(Tensor image, int dims, bool inverse) -> Tensor")
def _dctn(image: Tensor, dims: int, inverse: bool) -> Tensor:
    """Transform the last `dims` axes: on the CPU through scipy, elsewhere as matrix products.

    An operator of its own, so that autograd and torch.compile take it as a whole.
    """
    if image.device.type == "cpu":
        transform = scipy.fft.idctn if inverse else scipy.fft.dctn
        axes = tuple(range(-dims, 0))
        array = transform(image.numpy(force=True), axes=axes, norm="ortho", workers=torch.get_num_threads())
        return torch.from_numpy(array)
    for dim in range(-dims, 0):
        matrix = dct_matrix(image.shape[dim], image.dtype, image.device)
        image = torch.tensordot(image, matrix, ([dim], [0 if inverse else 1])).movedim(-1, dim)
    return image.contiguous()


register_orthonormal(_dctn)


@dataclass(frozen=True)
class DCT2:
    """The orthonormal DCT-II of whole images and its inverse, the DCT-III.

    Coefficients are a tensor of the image's shape, coefficient ``(u, v)`` at row u and column v; it stands for the
    frequencies ``u / 2H`` and ``v / 2W`` cycles per sample. The energy (sum of squares) is that of the image, and white
    noise of unit variance has coefficients of unit variance; the redundancy is 1.

    Parameters
    ----------
    scales : int
        How many octaves `layout` and `split` part the coefficients into, each as ``LH``, ``HL`` and ``HH`` (see
        `dyadic`): ``LH, HL, HH`` of a scale together are the shell of frequencies between two squares. In an image
        with fewer than ``2**scales`` rows or columns the coarsest bands may be empty.

    Examples
    --------
    >>> import torch
    >>> transform = DCT2()
    >>> image = torch.rand(3, 50, 70, dtype=torch.float64)
    >>> bool((transform.inverse(transform(image)) - image).abs().max() < 1e-12)
    True
    """

    scales: int = 4
    _DIMS: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if self.scales < 1:
            raise ValueError(f"the number of scales must be at least 1, not {self.scales}")

    def __call__(self, image: Tensor) -> Tensor:
        """Analyse `image`, float32 or float64, shape (..., H, W); (..., D, H, W) for `DCT3`."""
        checked_size(image, self._DIMS)
        coefficients: Tensor = _dctn(image, self._DIMS, inverse=False)
        return coefficients

    def inverse(self, bands: Tensor) -> Tensor:
        """Return the image that has these coefficients."""
        checked_size(bands, self._DIMS)
        image: Tensor = _dctn(bands, self._DIMS, inverse=True)
        return image

    def layout(self) -> tuple[Band, ...]:
        """Return all bands, scale by scale."""
        return dyadic_layout(self.scales, self._DIMS)

    def split(self, bands: Tensor) -> dict[BandKey, Tensor]:
        """Return the coefficients of each band: rectangular views of `bands`."""
        boxes = self._boxes(checked_size(bands, self._DIMS))
        return {key: bands[box] for key, box in boxes.items()}

    def join(self, parts: Mapping[BandKey, Tensor], like: Tensor) -> Tensor:
        """Return coefficients made of `parts`; bands that are not among them are taken from `like`."""
        joined = like.clone()
        boxes = self._boxes(checked_size(like, self._DIMS))
        for key, part in parts.items():
            joined[boxes[key]] = part
        return joined

    def _boxes(self, size: tuple[int, ...]) -> dict[BandKey, tuple[Any, ...]]:
        boxes: dict[BandKey, tuple[Any, ...]] = {}
        names = ("L" * self._DIMS, *directions(self._DIMS))
        for band in self.layout():
            scale, direction = band.key
            name = names[0 if scale == 0 else direction + 1]
            limits = [[-(-length >> (self.scales - s)) for s in (max(scale - 1, 0), scale)] for length in size]
            # Letters stand in the order x, y, z; axes the other way round.
            sides = [
                slice(inner, outer) if letter == "H" else slice(0, inner)
                for (inner, outer), letter in zip(limits, reversed(name), strict=True)
            ]
            boxes[band.key] = (..., *sides)
        return boxes


@dataclass(frozen=True)
class DCT3(DCT2):
    """The orthonormal DCT-II of whole volumes (..., D, H, W) and its inverse: `DCT2` along three axes.

    Its bands are the octaves' seven directions ``LLH ... HHH``.
    """

    _DIMS: ClassVar[int] = 3
