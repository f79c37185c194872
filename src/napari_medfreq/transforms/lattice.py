"""Lattices in the Fourier domain: to decimate is to fold a spectrum, to interpolate is to repeat it."""

from __future__ import annotations

import torch
from torch import Tensor


def aliases(spectra: Tensor, step: tuple[int, int]) -> list[Tensor]:
    """Return views of the blocks of spectra (..., H, W) that fall together when every ``step``-th sample is kept."""
    height, width = spectra.shape[-2] // step[0], spectra.shape[-1] // step[1]
    return [block for rows in torch.split(spectra, height, dim=-2) for block in torch.split(rows, width, dim=-1)]


def blocks(masks: Tensor, step: tuple[int, int]) -> Tensor:
    """Return masks (..., H, W) as their alias blocks, shape (step_y * step_x, ..., H / step_y, W / step_x)."""
    return torch.stack(aliases(masks, step))


def fold(spectra: Tensor, masks: Tensor, step: tuple[int, int]) -> Tensor:
    """Filter and decimate: the sum over the aliases of ``spectra * masks``; `masks` as `blocks`."""
    parts = aliases(spectra, step)
    total = parts[0] * masks[0]
    for part, mask in zip(parts[1:], masks[1:], strict=True):
        total.addcmul_(part, mask)
    return total


def add_unfolded(spectra: Tensor, small: Tensor, masks: Tensor, step: tuple[int, int], sign: float = 1.0) -> None:
    """Interpolate and filter: add `sign` times the repeated spectrum `small` times `masks` to `spectra`, in place."""
    for part, mask in zip(aliases(spectra, step), masks, strict=True):
        part.addcmul_(small, mask, value=sign)
