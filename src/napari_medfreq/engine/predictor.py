"""A network on a device, in a precision: converted once, asked many times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_medfreq.engine.fusion import fused
from napari_medfreq.engine.monte_carlo import mean_probabilities

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
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
        Of weights and features, float32 or bfloat16; images, Fourier transforms and probabilities stay in float32.
    """

    network: MMSNet
    device: torch.device
    precision: torch.dtype

    def __call__(self, images: Tensor, masks: Tensor | None, check: Callable[[], None]) -> Tensor:
        """Return float32 probabilities (N, K, H / 4, W / 4) for `images` (N, C, H, W), on the device of `images`."""
        return mean_probabilities(self.network, images.to(self.device), masks, check).to(images.device)


def place(network: MMSNet, device: torch.device, precision: torch.dtype) -> Predictor:
    """Return a predictor with a lean copy of `network` on `device`."""
    # Converted once: autocast would convert the weights of such a small network anew for every batch.
    return Predictor(fused(network).to(device, precision), device, precision)
