"""The discrete wavelet transform of images and volumes, through ptwt and the filters of PyWavelets.

Mallat's pyramid (1989): along each axis the signal is filtered with a low-pass and a high-pass filter and every other
sample kept; the part that is low-pass along all axes is treated the same way again,

    low_{j+1}[n] = sum_k h[2n - k] low_j[k],   high_{j+1}[n] = sum_k g[2n - k] low_j[k].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pywt
import torch
from torch import Tensor

from napari_medfreq.transforms.bands import BandKey
from napari_medfreq.transforms.dyadic import directions, dyadic_layout
from napari_medfreq.transforms.images import checked_size, cropped

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from napari_medfreq.transforms.bands import Band

_PTWT_NAMES = str.maketrans("LH", "ad")


class ImageDetail(NamedTuple):
    """One scale of an image. The first letter is for x, the second for y: low- or high-pass."""

    LH: Tensor
    """High-pass along y: horizontal edges (PyWavelets' cH)."""
    HL: Tensor
    """High-pass along x: vertical edges (PyWavelets' cV)."""
    HH: Tensor
    """High-pass along both: the diagonals (PyWavelets' cD)."""


class VolumeDetail(NamedTuple):
    """One scale of a volume. The letters are for x, y and z: low- or high-pass."""

    LLH: Tensor
    LHL: Tensor
    LHH: Tensor
    HLL: Tensor
    HLH: Tensor
    HHL: Tensor
    HHH: Tensor


class WaveletBands(NamedTuple):
    """Wavelet coefficients."""

    low: Tensor
    """The approximation."""
    scales: tuple[ImageDetail | VolumeDetail, ...]
    """One entry a scale, coarse to fine."""
    size: tuple[int, ...]
    """The lengths of the image."""


class Filters(NamedTuple):
    """The filters of a wavelet as float64 tensors, in the order of PyWavelets' ``filter_bank``."""

    dec_lo: Tensor
    dec_hi: Tensor
    rec_lo: Tensor
    rec_hi: Tensor


@dataclass(frozen=True)
class Wavelet:
    """The discrete wavelet transform and its exact inverse, for images or volumes of any size.

    The image is continued by its mirror image at all edges (half-sample symmetry). Every scale halves the lengths,
    ``floor((N + L - 1) / 2)`` coefficients for N samples and a filter of L taps: the redundancy is 1 plus the margins.

    Coefficients are those of PyWavelets times a constant for each band, which gives white noise of unit variance
    coefficients of unit variance. Orthogonal wavelets (``haar``, ``dbN``, ``symN``, ``coifN``) do so by themselves:
    their constants are 1, and they keep the energy but for the margins.

    Parameters
    ----------
    name : str
        A discrete wavelet of PyWavelets, such as ``haar``, ``db4``, ``sym8``; ``bior4.4`` is the 9-7 pair.
    scales : int
        How often the image is halved.
    dims : {2, 3}
        Images (..., H, W) or volumes (..., D, H, W).

    Examples
    --------
    >>> import torch
    >>> transform = Wavelet("db2", scales=2)
    >>> image = torch.rand(3, 50, 70, dtype=torch.float64)
    >>> bands = transform(image)
    >>> tuple(bands.scales[-1].HH.shape)
    (3, 26, 36)
    >>> bool((transform.inverse(bands) - image).abs().max() < 1e-12)
    True
    """

    name: str = "bior4.4"
    scales: int = 3
    dims: Literal[2, 3] = 2

    def __post_init__(self) -> None:
        if self.name not in pywt.wavelist(kind="discrete"):
            raise ValueError(f"{self.name!r} is not a discrete wavelet of PyWavelets, such as haar, db4 or bior4.4")
        if self.scales < 1:
            raise ValueError(f"the number of scales must be at least 1, not {self.scales}")
        if self.dims not in (2, 3):
            raise ValueError(f"dims must be 2 (images) or 3 (volumes), not {self.dims}")

    # ptwt builds its filters anew for each call and cannot be traced; the code around is compiled all the same.
    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def __call__(self, image: Tensor) -> WaveletBands:
        """Analyse `image`, float32 or float64, shape (..., H, W) or (..., D, H, W)."""
        import ptwt

        size = checked_size(image, self.dims)
        analyse = ptwt.fswavedec2 if self.dims == 2 else ptwt.fswavedec3
        low, *details = analyse(image, _exact_filters(self.name), mode="symmetric", level=self.scales)
        norms = _norms(self.name, self.scales)
        scales = [
            self._detail([detail[key] / norm for key, norm in zip(self._keys(), self._gains(n), strict=True)])
            for detail, n in zip(details, reversed(norms), strict=True)
        ]
        return WaveletBands(low / norms[-1][0] ** self.dims, tuple(scales), size)

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def inverse(self, bands: WaveletBands) -> Tensor:
        """Return the image that has these coefficients."""
        import ptwt

        synthesise = ptwt.fswaverec2 if self.dims == 2 else ptwt.fswaverec3
        norms = _norms(self.name, self.scales)
        details = [
            {key: band * norm for key, band, norm in zip(self._keys(), scale, self._gains(n), strict=True)}
            for scale, n in zip(bands.scales, reversed(norms), strict=True)
        ]
        image: Tensor = synthesise((bands.low * norms[-1][0] ** self.dims, *details), _exact_filters(self.name))
        return cropped(image, bands.size)

    def layout(self) -> tuple[Band, ...]:
        """Return all bands, scale by scale; filters are not sharp, so frequencies are those of the ideal ones."""
        return dyadic_layout(self.scales, self.dims)

    def split(self, bands: WaveletBands) -> dict[BandKey, Tensor]:
        """Return the coefficients of each band."""
        parts = {BandKey(0, 0): bands.low}
        for scale, detail in enumerate(bands.scales, start=1):
            parts |= {BandKey(scale, number): band for number, band in enumerate(detail)}
        return parts

    def join(self, parts: Mapping[BandKey, Tensor], like: WaveletBands) -> WaveletBands:
        """Return coefficients made of `parts`; bands that are not among them are taken from `like`."""
        merged = {**self.split(like), **parts}
        scales = [
            self._detail([merged[BandKey(scale, number)] for number in range(2**self.dims - 1)])
            for scale in range(1, self.scales + 1)
        ]
        return WaveletBands(merged[BandKey(0, 0)], tuple(scales), like.size)

    def _detail(self, bands: list[Tensor]) -> ImageDetail | VolumeDetail:
        return ImageDetail(*bands) if self.dims == 2 else VolumeDetail(*bands)

    def _keys(self) -> list[str]:
        """What ptwt calls the directions: one letter an axis, z y x."""
        return [name[::-1].translate(_PTWT_NAMES) for name in directions(self.dims)]

    def _gains(self, norms: tuple[float, float]) -> list[float]:
        return [norms[0] ** name.count("L") * norms[1] ** name.count("H") for name in directions(self.dims)]


def wavelet_detail(image: Tensor, scales: int = 2, wavelet: str = "bior4.4") -> Tensor:
    """Return `image` without its wavelet approximation.

    Parameters
    ----------
    image : Tensor, shape (..., H, W), real
    scales : int
        How often the image is halved before the approximation is left out.
    wavelet : str
        A wavelet of PyWavelets; ``bior4.4`` is the 9-7 pair.
    """
    import ptwt

    size = image.shape[-2:]
    low, *details = ptwt.wavedec2(image, wavelet, level=scales, mode="symmetric")
    rest = ptwt.waverec2((torch.zeros_like(low), *details), wavelet)
    return rest[..., : size[0], : size[1]]  # type: ignore[no-any-return]


@lru_cache(maxsize=32)
def _exact_filters(name: str) -> Filters:
    """Return the filters of PyWavelets, which come from tables of some twelve digits, made exact.

    ``sum_n h[n] r[n + 2 k] = delta_k`` (to the delay) must hold between the low-pass filters h of the analysis and r of
    the synthesis. The smallest change of r that fulfils it is taken, and the high-pass filters follow as before:
    those of the analysis are r, those of the synthesis h, with alternating signs.
    """
    dec_lo, dec_hi, rec_lo, rec_hi = (np.asarray(taps) for taps in pywt.Wavelet(name).filter_bank)
    length = len(dec_lo)
    rows = [np.convolve(dec_lo, unit)[(length - 1) % 2 :: 2] for unit in np.eye(length)]
    system = np.stack(rows, axis=1)
    wanted = np.zeros(len(system))
    wanted[np.argmax(system @ rec_lo)] = 1.0
    rec_lo = rec_lo + np.linalg.lstsq(system, wanted - system @ rec_lo, rcond=None)[0]
    signs = np.where(np.arange(length) % 2, -1.0, 1.0)
    dec_hi = signs * rec_lo * np.sign(dec_hi @ (signs * rec_lo))
    with torch.inference_mode(False):
        return Filters(*(torch.from_numpy(taps.copy()) for taps in (dec_lo, dec_hi, rec_lo, rec_hi)))


@lru_cache(maxsize=32)
def _norms(name: str, scales: int) -> tuple[tuple[float, float], ...]:
    """Return the 2-norms of the low- and of the high-pass filter that lead to each scale, fine to coarse."""
    dec_lo, dec_hi = (taps.numpy() for taps in _exact_filters(name)[:2])
    norms = []
    before: npt.NDArray[np.float64] = np.ones(1)
    for scale in range(scales):
        low, high = (np.convolve(before, _spread(taps, 2**scale)) for taps in (dec_lo, dec_hi))
        norms.append((float(np.linalg.norm(low)), float(np.linalg.norm(high))))
        before = low
    return tuple(norms)


def _spread(taps: npt.NDArray[np.float64], step: int) -> npt.NDArray[np.float64]:
    spread = np.zeros((len(taps) - 1) * step + 1)
    spread[::step] = taps
    return spread
