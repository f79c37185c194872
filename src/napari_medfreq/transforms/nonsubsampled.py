"""The non-subsampled contourlet transform of da Cunha, Zhou and Do (2006), as a tight frame of masks over frequency.

Every filter has a real, even response on the lattice of the image's discrete spectrum; a filter upsampled by ``2**j``
is the same response at ``2**j`` times the frequency. Nothing is decimated: a band has the size of the image. Where da
Cunha et al. ask for ``H0 G0 + H1 G1 = 1``, analysis and synthesis share each product evenly, ``H = G = sqrt(p)``, so
that the energy is kept. With the power masks ``p_k`` of the bands, whose sum is 1 (see `nonsubsampled_masks`),

    band_k = IDFT(sqrt(p_k) / r_k DFT(image))        image = IDFT(sum_k sqrt(p_k) r_k DFT(band_k))

with ``r_k**2`` the mean of ``p_k``, so that white noise of unit variance has unit variance in each band.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, cast, get_args

import numpy as np
import torch
from torch import Tensor

from napari_medfreq.transforms.bands import Band, BandKey
from napari_medfreq.transforms.filters import DirectionalFilter, PyramidFilter
from napari_medfreq.transforms.images import checked_size
from napari_medfreq.transforms.nonsubsampled_kernels import analysis, packed, synthesis
from napari_medfreq.transforms.nonsubsampled_masks import Bank, gain_mask, mask_pairs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class NonsubsampledBands(NamedTuple):
    """Coefficients of the non-subsampled contourlet transform; every band is as large as the image."""

    low: Tensor
    """Low-pass image, shape (..., H, W)."""
    scales: tuple[Tensor, ...]
    """One entry a scale, coarse to fine, shape (..., n, H, W): directions by rising angle."""


@dataclass(frozen=True)
class NonsubsampledContourlet:
    """The non-subsampled contourlet transform and its exact inverse.

    The image is continued periodically: a circular shift of the image shifts every band, and nothing else changes.

    Parameters
    ----------
    levels : tuple of int
        Directional levels of each scale, coarse to fine, 0 to 6: ``2**level`` directions. The smaller side of an image
        must be at least ``2**len(levels)``.
    pyramid : {"meyer", "9-7", "5-3", "haar"}
        Half-band filter of the pyramid: ``h g / 2`` of the pair. From the first to the last the filters get shorter and
        mix the scales more.
    directional : {"meyer", "pkva", "haar"}
        Ladder filter of the directional tree, likewise.

    Notes
    -----
    A tight frame: the energies of the bands, each times its weight (see `weights`), add up to that of the image, and
    the inverse of changed coefficients is the image whose coefficients are the nearest, in that sense. White noise of
    unit variance has unit variance in each band. The redundancy is the number of bands.

    Of a pure grating in the middle of a cell (scale by direction, see `layout`) the cell holds more than 99 % of the
    energy with ``meyer`` and ``meyer`` or ``pkva``, at every level; with ``9-7`` at least 90 %.

    Memory: with `n` bands of `p` bytes a call needs ``n p`` for the bands, ``2 p`` for the spectrum and some 30 MiB of
    room to work in. `bands` never has more than ``8 p`` in use. The masks of a size and setting take ``n p`` of a
    single image; up to 128 MiB they are kept (those of the last four), beyond that made anew, by `bands` and
    `with_gains` two at a time.

    References
    ----------
    da Cunha, A. L., Zhou, J., and Do, M. N., "The nonsubsampled contourlet transform: theory, design, and
    applications", IEEE Trans. Image Process. 15 (2006).

    Examples
    --------
    >>> import torch
    >>> transform = NonsubsampledContourlet(levels=(2, 3))
    >>> image = torch.rand(3, 50, 70, dtype=torch.float64)
    >>> bands = transform(image)
    >>> bands.scales[1].shape
    torch.Size([3, 8, 50, 70])
    >>> bool((transform.inverse(bands) - image).abs().max() < 1e-12)
    True
    """

    levels: tuple[int, ...] = (3, 4)
    pyramid: PyramidFilter = "meyer"
    directional: DirectionalFilter = "meyer"

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(self.levels))
        if not self.levels or any(level not in range(7) for level in self.levels):
            raise ValueError(f"levels must be 0 to 6 for each scale, not {self.levels}")
        for kind, name, known in (
            ("pyramid", self.pyramid, PyramidFilter),
            ("directional", self.directional, DirectionalFilter),
        ):
            if name not in get_args(known):
                raise ValueError(f"{kind} filter {name!r} is not one of {', '.join(get_args(known))}")

    def __call__(self, image: Tensor) -> NonsubsampledBands:
        """Analyse `image`, a real tensor of shape (..., H, W), float32 or float64."""
        self._size(image)
        low, *scales = cast("list[Tensor]", analysis(image, self.levels, self.pyramid, self.directional, False))
        return NonsubsampledBands(low.squeeze(-3), tuple(scales))

    def inverse(self, bands: NonsubsampledBands | Iterable[tuple[BandKey, Tensor]]) -> Tensor:
        """Return the image that has these coefficients.

        Parameters
        ----------
        bands : NonsubsampledBands or iterable of (BandKey, Tensor)
            All coefficients, or one band after the other in the order of `layout`, as `bands` gives them: they are
            added up as they come, and a band that does not come counts as zero.

        Raises
        ------
        ValueError
            If there is no band, or one that the transform does not have, or they are not in that order.
        """
        if not isinstance(bands, NonsubsampledBands):
            return self._sum(iter(bands))
        groups = [bands.low.unsqueeze(-3), *bands.scales]
        if (found := tuple(group.shape[-3] for group in groups)) != self._bank.counts:
            raise ValueError(f"expected coefficients with {self._bank.counts} bands a scale, not {found}")
        self._size(bands.low)
        return cast("Tensor", synthesis(groups, self.levels, self.pyramid, self.directional, True))

    def bands(self, image: Tensor) -> Iterator[tuple[BandKey, Tensor]]:
        """Yield the bands of `image` one after the other, in the order of `layout`, for where all would not fit."""
        size = self._size(image)
        spectrum = torch.fft.fft2(image)
        for keys, (mask, _) in zip(self._keys(), mask_pairs(self._bank, size, image), strict=True):
            both = torch.fft.ifft2(spectrum * mask)
            for key, band in zip(keys, (both.real, both.imag), strict=False):
                yield key, band.contiguous()

    def with_gains(self, image: Tensor, gains: Mapping[BandKey, float]) -> Tensor:
        """Return `image` with its bands multiplied by `gains` (0 mutes), by a single mask: no band is ever computed.

        The same as `bands.with_gains` of all coefficients, for the price of one. Bands without a gain stay as they are.
        """
        size = self._size(image)
        self._known(gains)
        in_order = [gains.get(band.key, 1.0) for band in self.layout()]
        mask = gain_mask(self._bank, size, image, in_order)
        changed: Tensor = torch.fft.irfft2(torch.fft.rfft2(image) * mask, s=size)
        return changed

    def weights(self, image: Tensor) -> dict[BandKey, float]:
        """Return, for images of this size, the share of each band in the energy of white noise; their sum is 1."""
        pairs = mask_pairs(self._bank, self._size(image), image)
        return {
            key: float(w)
            for keys, (_, pair) in zip(self._keys(), pairs, strict=True)
            for key, w in zip(keys, pair, strict=True)
        }

    def layout(self) -> tuple[Band, ...]:
        """Return all bands, scale by scale and direction by direction; the limits are those of ideal filters."""
        scales = len(self.levels)
        found = [Band(BandKey(0, 0), (0.0, 0.5 / 2**scales))]
        for scale, level in enumerate(self.levels, start=1):
            upper = 0.5 / 2 ** (scales - scale)
            slopes = np.linspace(-1, 1, 2 ** max(level - 1, 0) + 1)
            edges = np.degrees(np.arctan(slopes))
            angles = list(pairwise([*edges.tolist(), *(edges[1:] + 90).tolist()])) if level else [None]
            found += [Band(BandKey(scale, i), (upper / 2, upper), angle) for i, angle in enumerate(angles)]
        return tuple(found)

    def split(self, bands: NonsubsampledBands) -> dict[BandKey, Tensor]:
        """Return the coefficients of each band, in the order of `layout`; they share memory with `bands`."""
        groups = (bands.low.unsqueeze(-3), *bands.scales)
        return {BandKey(s, i): group[..., i, :, :] for s, group in enumerate(groups) for i in range(group.shape[-3])}

    def join(self, parts: Mapping[BandKey, Tensor], like: NonsubsampledBands) -> NonsubsampledBands:
        """Return coefficients made of `parts`; bands that are not among them are taken from `like`."""
        self._known(parts)
        own = self.split(like)
        scales = []
        for number, scale in enumerate(like.scales, start=1):
            keys = [BandKey(number, i) for i in range(scale.shape[-3])]
            changed = any(key in parts for key in keys)
            scales.append(torch.stack([parts.get(key, own[key]) for key in keys], dim=-3) if changed else scale)
        return NonsubsampledBands(parts.get(BandKey(0, 0), like.low), tuple(scales))

    @property
    def _bank(self) -> Bank:
        return Bank(self.levels, self.pyramid, self.directional)

    def _keys(self) -> list[tuple[BandKey, ...]]:
        """Return the keys of the bands that share a mask: neighbours of a scale."""
        keys = [[BandKey(scale, i) for i in range(count)] for scale, count in enumerate(self._bank.counts)]
        return [tuple(group[i : i + 2]) for group in keys for i in range(0, len(group), 2)]

    def _known(self, keys: Iterable[BandKey]) -> None:
        known = [band.key for band in self.layout()]
        if unknown := sorted(set(keys) - set(known)):
            raise ValueError(f"there is no band {', '.join(map(str, unknown))}; there are {', '.join(map(str, known))}")

    def _size(self, image: Tensor) -> tuple[int, int]:
        height, width = checked_size(image, 2)
        least = 2 ** len(self.levels)
        if min(height, width) < least:
            raise ValueError(
                f"{len(self.levels)} scales need an image of at least {least} x {least} pixels, not {height} x {width}"
            )
        return height, width

    def _sum(self, bands: Iterator[tuple[BandKey, Tensor]]) -> Tensor:
        coming = next(bands, None)
        if coming is None:
            raise ValueError("there is no band to make an image of")
        total: Tensor | None = None
        first = coming[1]
        for keys, (mask, weights) in zip(self._keys(), mask_pairs(self._bank, self._size(first), first), strict=True):
            pair: list[Tensor | None] = [None, None]
            for place, key in enumerate(keys):
                if coming is not None and coming[0] == key:
                    pair[place] = coming[1] * weights[place]
                    coming = next(bands, None)
            if any(part is not None for part in pair):
                part = torch.fft.fft2(packed(*pair)) * mask
                total = part if total is None else total + part
        if coming is not None or total is None:
            late = coming[0] if coming else self._keys()[0][0]
            self._known([late])
            raise ValueError(f"band {late} came twice or too late: bands are added up in the order of the layout")
        image: Tensor = torch.fft.ifft2(total).imag.contiguous()
        return image
