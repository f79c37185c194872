"""What AE-GAN learns from: y the real target, y^ the synthesised one, y' the reconstruction by the autoencoder A."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def self_representation(learned: Sequence[Tensor], features: Sequence[Tensor]) -> Tensor:
    """Return how far the features of S are from those of A: ``mean_pixels KL(softmax_c f_A || softmax_c f_S)``.

    Summed over channels, averaged over pixels and samples, summed over levels, so that it is a divergence in nats
    whatever the size of the features. (The published code divides it by the number of channels and pixels as well,
    and its weight by 20 every 5,000 steps, which leaves nothing of it.)

    Parameters
    ----------
    learned : sequence of torch.Tensor, each (N, C, H, W)
        Features of the autoencoder on the real target; no gradient flows into them.
    features : sequence of torch.Tensor, of the same shapes
        Features of the synthesis network.

    Returns
    -------
    torch.Tensor
        Scalar, float32, at least 0.
    """
    total = torch.zeros((), device=features[0].device)
    for mine, theirs in zip(learned, features, strict=True):
        wanted = functional.log_softmax(mine.detach().float(), dim=1)
        found = functional.log_softmax(theirs.float(), dim=1)
        total = total + (wanted.exp() * (wanted - found)).sum(1).mean()
    return total


def taken_for(logits: Tensor, *, real: bool) -> Tensor:
    """Return the binary cross-entropy of `logits` against all real, or all made."""
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


def autoencoder_loss(real: Tensor, made: Tensor, target: Tensor, reconstruction: Tensor, weight: float) -> Tensor:
    r"""Return ``1/2 [1/2 (BCE(D(y^), 0) + BCE(D(y'), 0)) + BCE(D(y), 1)] + weight ||y' - y||_1``.

    Parameters
    ----------
    real : torch.Tensor
        Logits of y.
    made : torch.Tensor
        Logits of y^ and y' together, as many of each, without gradient to what made them.
    target, reconstruction : torch.Tensor, shape (N, 1, H, W)
        y and y'.
    weight : float
        100 as published.
    """
    judged = 0.5 * (taken_for(made, real=False) + taken_for(real, real=True))
    return judged + weight * functional.l1_loss(reconstruction, target)
