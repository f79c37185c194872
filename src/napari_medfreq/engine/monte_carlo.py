"""Probabilities of a network: of one deterministic pass, or the mean of Monte Carlo dropout passes.

All that comes before the head's dropout is computed once; the passes are masked heads, several as one matrix product.
Only the running sum of their probabilities is kept, never all of them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

_CHUNK = 1 << 24  # logits held at once
_TINY = 1e-6


class Network(Protocol):
    """What the engine asks of a network, see `napari_medfreq.nn.mmsnet.MMSNet`."""

    def features(self, image: Tensor) -> Tensor:
        """Return what comes before the head's dropout, a quarter of the resolution."""

    def head(self, features: Tensor) -> Tensor:
        """Return logits."""

    def head_passes(self, features: Tensor, masks: Tensor) -> Tensor:
        """Return the logits of each mask."""


def mean_probabilities(network: Network, images: Tensor, masks: Tensor | None, check: Callable[[], None]) -> Tensor:
    """Return the probabilities of `images`, averaged over the passes.

    Parameters
    ----------
    network : Network
        In evaluation mode: dropout acts through `masks` alone, and batch norm keeps its statistics.
    images : torch.Tensor, shape (N, C, H, W)
        On the network's device.
    masks : torch.Tensor or None, shape (T, width)
        Channel masks of the passes; None asks for one pass without dropout.
    check : callable
        Called between the passes; may raise to stop.

    Returns
    -------
    torch.Tensor, shape (N, K, H / 4, W / 4), float32
        ``K`` is 1 for a sigmoid, else the number of classes with the background first.
    """
    features = network.features(images)
    check()
    if masks is None:
        return probabilities(network.head(features))
    masks = masks.to(features.device)
    total = torch.zeros((), device=features.device)
    passes = len(masks)
    step = 1
    start = 0
    while start < passes:
        logits = network.head_passes(features, masks[start : start + step])
        total = total + probabilities(logits).sum(dim=0)
        start += len(logits)
        # The first pass tells how large one is.
        step = max(1, min(passes, _CHUNK // max(1, logits[0].numel())))
        check()
    return total / passes


def probabilities(logits: Tensor) -> Tensor:
    """Return float32 probabilities for `logits` (..., K, h, w): sigmoid for one class, else softmax."""
    logits = logits.float()
    return logits.sigmoid() if logits.shape[-3] == 1 else logits.softmax(dim=-3)


def to_logits(mean: Tensor) -> Tensor:
    """Return logits whose `probabilities` are `mean`, so that they can be interpolated as a network's logits are."""
    mean = mean.clamp(_TINY, 1 - _TINY)
    return torch.logit(mean) if mean.shape[-3] == 1 else mean.log()


def entropy(mean: Tensor) -> Tensor:
    """Return the predictive entropy of probabilities (N, K, H, W) over its maximum: (N, H, W), range [0, 1]."""
    if mean.shape[1] == 1:
        mean = torch.cat([mean, 1 - mean], dim=1)
    total: Tensor = torch.special.entr(mean).sum(dim=1)
    return total.div_(math.log(mean.shape[1])).clamp_(0, 1)
