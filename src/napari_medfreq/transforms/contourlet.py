"""The contourlet transform of Do and Vetterli (2005): a Laplacian pyramid and, on its details, directional filters.

Computed in the Fourier domain: filtering is a product with a mask, decimation folds the spectrum. The image is
continued periodically after a mirrored extension to the next size that the lattices divide, so any size works and
reconstruction is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atan, degrees
from typing import TYPE_CHECKING, NamedTuple, cast, get_args

import torch
from torch import Tensor

from napari_medfreq.transforms.bands import Band, BandKey
from napari_medfreq.transforms.contourlet_kernels import analysis, image_shape, part_shapes, smooth, synthesis
from napari_medfreq.transforms.directional import slopes
from napari_medfreq.transforms.filters import DirectionalFilter, PyramidFilter
from napari_medfreq.transforms.images import checked_size, mirrored

if TYPE_CHECKING:
    from collections.abc import Mapping


class DirectionalBands(NamedTuple):
    """The directional subbands of one scale; ``n = 2**(level-1)`` in each half (see `directional.Wedges`).

    A scale without directions (level 0) holds its detail image as the only band of `vertical`, and `horizontal` is
    empty. With one level each half is one band on the quincunx lattice: column ``k`` of `vertical` holds the rows
    ``2 i + k % 2`` of the detail's grid, and row ``k`` of `horizontal` the columns ``2 j + k % 2``.
    """

    vertical: Tensor
    """Wedges around the vertical frequency axis, shape (..., n, h/2, w/n)."""
    horizontal: Tensor
    """Wedges around the horizontal frequency axis, shape (..., n, h/n, w/2)."""


class ContourletBands(NamedTuple):
    """Contourlet coefficients."""

    low: Tensor
    """Low-pass image, shape (..., H / 2**scales, W / 2**scales)."""
    scales: tuple[DirectionalBands, ...]
    """One entry a scale, coarse to fine."""
    size: tuple[int, int]
    """Height and width of the image before its extension."""


@dataclass(frozen=True)
class Contourlet:
    """The contourlet transform and its exact inverse.

    Parameters
    ----------
    levels : tuple of int
        Directional levels of each scale, coarse to fine, 0 to 6: ``2**level`` directions, and none for 0.
    pyramid : {"meyer", "9-7", "5-3", "haar"}
        Filters of the Laplacian pyramid.
    directional : {"meyer", "pkva", "haar"}
        Ladder filter of the directional filter bank.

    Notes
    -----
    Which filters: the classical pair is ``9-7`` and ``pkva``, short filters that leak. Of a pure grating in the middle
    of a cell (scale by direction) at levels of up to 3 the cell holds at least 94 % of the energy in the finest scale
    but only 79 % in the next, since the Laplacian pyramid's alias goes to the finer scale (Lu and Do 2006); at level 4
    ``pkva`` is down to 75 % and 62 %. With ``meyer`` and ``meyer`` it is all of it, at every level; the price is
    filters that are longer in space.

    Energies: the mask of each wedge is scaled so that white noise of unit variance gives coefficients of unit
    variance, and the low-pass filters have unit norm (so the gain 2 a scale for a constant image). The energies of all
    bands therefore add up to about that of the image. With ``meyer`` and ``meyer`` they add up to it exactly (where its
    size needs no extension): the directional bank is orthonormal and the whole transform a tight frame, whose inverse
    is its adjoint.

    Redundancy is below 4/3, plus the extension where the size does not fit. Gradients are computed by the adjoint
    transform and cost as much as the transform itself.

    References
    ----------
    Do, M. N., and Vetterli, M., "The contourlet transform: an efficient directional multiresolution image
    representation", IEEE Trans. Image Process. 14 (2005). Lu, Y., and Do, M. N., "A new contourlet transform with sharp
    frequency localization", ICIP (2006).

    Examples
    --------
    >>> import torch
    >>> transform = Contourlet(levels=(2, 3))
    >>> image = torch.rand(3, 50, 70, dtype=torch.float64)
    >>> bands = transform(image)
    >>> bool((transform.inverse(bands) - image).abs().max() < 1e-12)
    True
    """

    levels: tuple[int, ...] = (3, 3)
    pyramid: PyramidFilter = "meyer"
    directional: DirectionalFilter = "meyer"

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(self.levels))
        if not self.levels or any(level not in range(7) for level in self.levels):
            raise ValueError(f"levels must be 0 to 6 for each scale, not {self.levels}")
        if self.pyramid not in get_args(PyramidFilter):
            raise ValueError(f"pyramid filter {self.pyramid!r} is not one of {', '.join(get_args(PyramidFilter))}")
        if self.directional not in get_args(DirectionalFilter):
            names = ", ".join(get_args(DirectionalFilter))
            raise ValueError(f"directional filter {self.directional!r} is not one of {names}")

    @property
    def multiple(self) -> int:
        """Images are extended to a multiple of this height and width."""
        scales = len(self.levels)
        needs = [(1 << (scales - 1 - i)) * (1 << max(level - 1, 1)) for i, level in enumerate(self.levels)]
        return max(*needs, 1 << scales)

    def __call__(self, image: Tensor) -> ContourletBands:
        """Analyse `image`, a real tensor of shape (..., H, W), float32 or float64."""
        size = checked_size(image, 2)
        parts = analysis(mirrored(image, self.multiple), self.levels, self.pyramid, self.directional, False)
        low, *halves = cast("list[Tensor]", parts)
        scales = tuple(DirectionalBands(*pair) for pair in zip(halves[0::2], halves[1::2], strict=True))
        return ContourletBands(low, scales, (size[0], size[1]))

    def inverse(self, bands: ContourletBands) -> Tensor:
        """Return the image that has these coefficients; the dual frame of Do and Vetterli where they were changed."""
        self._check(bands)
        parts = [bands.low, *(half for scale in bands.scales for half in scale)]
        image = cast("Tensor", synthesis(parts, self.levels, self.pyramid, self.directional, False))
        return image[..., : bands.size[0], : bands.size[1]]

    def _check(self, bands: ContourletBands) -> None:
        if len(bands.scales) != len(self.levels):
            raise ValueError(f"expected coefficients of {len(self.levels)} scales, not {len(bands.scales)}")
        expected = part_shapes(image_shape(bands.low, len(self.levels)), self.levels)[1:]
        for number, level in enumerate(self.levels):
            shapes = [tuple(half.shape) for half in bands.scales[number]]
            if shapes != (wanted := expected[2 * number : 2 * number + 2]):
                raise ValueError(
                    f"expected coefficients of shape {wanted} in scale {number + 1} of level {level}, not {shapes}"
                )

    def detail(self, image: Tensor) -> Tensor:
        """Return the frequency image: `image` less its low-pass part, shape (..., H, W).

        It equals ``inverse`` of the bands with ``low`` set to zero, but is cheaper, since the directional filter bank
        cancels out.
        """
        size = checked_size(image, 2)
        whole = mirrored(image, self.multiple)
        low = cast("Tensor", smooth(whole, len(self.levels), self.pyramid, False))
        return (whole - low)[..., : size[0], : size[1]]

    def layout(self) -> tuple[Band, ...]:
        """Return all bands: the low-pass band, then coarse to fine, the directions by rising angle."""
        scales = len(self.levels)
        bands = [Band(BandKey(0, 0), (0.0, 0.5 / 2**scales), name="low")]
        for scale, level in enumerate(self.levels, start=1):
            finest = 0.5 / 2 ** (scales - scale)
            angles = _angles(level) if level else (None,)
            bands += [Band(BandKey(scale, i), (finest / 2, finest), angle) for i, angle in enumerate(angles)]
        return tuple(bands)

    def split(self, bands: ContourletBands) -> dict[BandKey, Tensor]:
        """Return the coefficients of each band, in the order of `layout`; they share memory with `bands`."""
        parts = {BandKey(0, 0): bands.low}
        for scale, (vertical, horizontal) in enumerate(bands.scales, start=1):
            # The slope of the horizontal wedges rises with the angle, that of the vertical ones falls.
            ordered = [*horizontal.unbind(-3), *reversed(vertical.unbind(-3))]
            parts |= {BandKey(scale, direction): band for direction, band in enumerate(ordered)}
        return parts

    def join(self, parts: Mapping[BandKey, Tensor], like: ContourletBands) -> ContourletBands:
        """Return coefficients made of `parts`; bands that are not among them are taken from `like`."""
        merged = self.split(like) | dict(parts)
        scales = []
        for scale, (vertical, horizontal) in enumerate(like.scales, start=1):
            n = horizontal.shape[-3]
            count = n + vertical.shape[-3]
            ordered = [merged[BandKey(scale, direction)] for direction in range(count)]
            changed = any(BandKey(scale, direction) in parts for direction in range(count))
            scales.append(_halves(ordered, n, horizontal) if changed else DirectionalBands(vertical, horizontal))
        return ContourletBands(merged[BandKey(0, 0)], tuple(scales), like.size)

    def angles(self, level: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return the directions of the vertical and of the horizontal bands of a scale of `level`, at least 1.

        Degrees from the +x axis of the frequency plane to its +y axis (down the rows), in [-45, 135): of a pattern of
        stripes the direction across them.
        """
        centres = [degrees(atan((low + high) / 2)) for low, high in slopes(level)]
        return tuple(90.0 - centre for centre in centres), tuple(centres)


def _angles(level: int) -> tuple[tuple[float, float], ...]:
    """Return the first and last angle of each wedge by rising angle, in degrees."""
    limits = [(degrees(atan(low)), degrees(atan(high))) for low, high in slopes(level)]
    return (*limits, *((90.0 + low, 90.0 + high) for low, high in limits))


def _halves(ordered: list[Tensor], n: int, like: Tensor) -> DirectionalBands:
    horizontal = torch.stack(ordered[:n], dim=-3) if n else like
    return DirectionalBands(torch.stack(ordered[: n - 1 if n else None : -1], dim=-3), horizontal)
