"""A network on a device, in a precision: converted once, asked many times."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from napari_medfreq.engine.fusion import fused
from napari_medfreq.engine.monte_carlo import estimate
from napari_medfreq.nn.mit import MixTransformer
from napari_medfreq.nn.packed_mit import packed

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import Tensor

    from napari_medfreq.engine.monte_carlo import Sampling
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
    origin : MMSNet
        The network as it was trained, on the CPU, float32: stochastic depth needs its blocks as they were.
    """

    network: MMSNet
    device: torch.device
    precision: torch.dtype
    origin: MMSNet

    def __call__(
        self,
        images: Tensor,
        plan: Sampling | None,
        check: Callable[[], None],
        first: Callable[[Tensor], None] | None = None,
    ) -> Tensor:
        """Return what `monte_carlo.estimate` does, (N, K [+ 1], H / 4, W / 4), float32, on the device of `images`."""
        depth = plan is not None and plan.method == "stochastic-depth"
        network = self._with_blocks if depth else self.network
        return estimate(network, images.to(self.device), plan, check, first).to(images.device)

    @cached_property
    def _with_blocks(self) -> MMSNet:
        return copy.deepcopy(self.origin).to(self.device, self.precision)


def place(network: MMSNet, device: torch.device, precision: torch.dtype) -> Predictor:
    """Return a predictor with a lean copy of `network` on `device`."""
    # Converted once: autocast would convert the weights of such a small network anew for every batch.
    lean = fused(network)
    if device.type == "cpu":
        for name, part in list(lean.named_children()):
            if isinstance(part, MixTransformer):
                lean.register_module(name, packed(part, precision))
    return Predictor(lean.to(device, precision), device, precision, network)
