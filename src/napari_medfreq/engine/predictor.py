"""A network on a device, in a precision: converted once, asked many times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_medfreq.engine.fusion import fused
from napari_medfreq.engine.monte_carlo import mean_probabilities

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from napari_medfreq.nn.mmsnet import MMSNet


@dataclass(frozen=True)
class Predictor:
    """Gives the probabilities of a batch of images.

    Attributes
    ----------
    network : MMSNet
        In evaluation mode, on `device`.
    device : torch.device
        Where it computes.
    precision : torch.dtype
        float32 or bfloat16 (autocast: what needs the range, Fourier transforms and norms, stays in float32).
    """

    network: MMSNet
    device: torch.device
    precision: torch.dtype

    def __call__(self, images: Tensor, masks: Tensor | None, check: Callable[[], None]) -> Tensor:
        """Return float32 probabilities (N, K, H / 4, W / 4) for `images` (N, C, H, W), on the device of `images`."""
        with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            mean = mean_probabilities(self.network, images.to(self.device), masks, check)
        return mean.to(images.device)


def place(network: MMSNet, device: torch.device, precision: torch.dtype) -> Predictor:
    """Return a predictor with a lean copy of `network` on `device`."""
    return Predictor(fused(network).to(device), device, precision)
