"""High-pass images by other means than the contourlet: Fourier and wavelet, kept for comparison."""

from __future__ import annotations

import torch
from torch import Tensor


def fourier_detail(image: Tensor, fraction: float = 0.25) -> Tensor:
    """Return `image` without its lowest frequencies: a centred square of the spectrum is set to zero.

    Parameters
    ----------
    image : Tensor, shape (..., H, W), real
    fraction : float
        The square's share of the spectrum's area, between 0 (nothing is removed) and 1 (only the Nyquist frequency of
        an even length is left).

    Raises
    ------
    ValueError
        If `fraction` lies outside.
    """
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"fraction must lie between 0 and 1, not {fraction}")
    height, width = image.shape[-2:]
    edge = fraction**0.5 / 2
    rows = torch.fft.fftfreq(height, device=image.device).abs() < edge
    columns = torch.fft.rfftfreq(width, device=image.device) < edge
    spectrum = torch.fft.rfft2(image).masked_fill(rows[:, None] & columns[None, :], 0)
    detail: Tensor = torch.fft.irfft2(spectrum, s=(height, width))
    return detail


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
