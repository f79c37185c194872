"""A whole volume through a synthesis network, some planes at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_medfreq.nn.aegan_inputs import planes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    from torch import nn


@torch.inference_mode()
def synthesise_planes(
    network: nn.Module,
    stacks: npt.NDArray[Any],
    target: int,
    *,
    slices: int,
    batch: int = 4,
    precision: torch.dtype = torch.float32,
    first: int = 0,
) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """Yield the planes of the target as they are made, from the first to the last.

    Parameters
    ----------
    network : torch.nn.Module
        Called with (N, B, slices, H, W) and targets (N,), returns (N, 1, H, W), both about [-1, 1].
    stacks : numpy.ndarray, shape (B, Z, H, W)
        The inputs in the order of the branches, range [0, 1]; a copy of `batch` planes is made at a time.
    target : int
        Index of the target among the contrasts.
    slices, batch : int
        Planes seen together, and made together.
    precision : torch.dtype
        Of the products; float32 or bfloat16.
    first : int
        The plane to begin with.

    Yields
    ------
    start : int
        Index of the first plane.
    made : numpy.ndarray, shape (N, H, W), float32
        Range [0, 1].
    """
    device = next(network.parameters()).device
    for start in range(first, stacks.shape[1], batch):
        centres = np.arange(start, min(start + batch, stacks.shape[1]), dtype=np.intp)
        inputs = planes(stacks, centres, slices).to(device)
        targets = torch.full((len(centres),), target, device=device)
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            image = network(inputs, targets)
        yield start, image[:, 0].float().add_(1).mul_(0.5).clamp_(0, 1).cpu().numpy()
