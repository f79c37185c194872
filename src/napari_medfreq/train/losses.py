"""What is minimised: region losses on every level of the decoder, boundary losses beside them."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

import torch
from monai.losses.dice import DiceLoss
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from napari_medfreq.nn.mmsnet import Supervision

_LEVEL_WEIGHTS = (1.0, 0.5, 0.3, 0.2)
_BOUNDARY_WEIGHT = 0.2


def region_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return cross-entropy plus Dice loss.

    Parameters
    ----------
    logits : Tensor, shape (N, K, H, W)
        K = 1: a sigmoid; else softmax with the background first.
    labels : Tensor, shape (N, H, W), int64
        0 is background.
    """
    logits = logits.float()
    if logits.shape[1] == 1:
        target = (labels > 0).float()[:, None]
        entropy = functional.binary_cross_entropy_with_logits(logits, target)
        return entropy + DiceLoss(sigmoid=True)(logits, target)  # type: ignore[no-any-return]
    entropy = functional.cross_entropy(logits, labels)
    dice = DiceLoss(softmax=True, include_background=False, to_onehot_y=True, batch=True)
    return entropy + dice(logits, labels[:, None])  # type: ignore[no-any-return]


def boundary_target(labels: Tensor) -> Tensor:
    """Return where labels change within a pixel, shape (N, 1, H, W), float."""
    values = labels.float()[:, None]
    highest = functional.max_pool2d(values, 3, 1, 1)
    lowest = -functional.max_pool2d(-values, 3, 1, 1)
    return (highest != lowest).float()


def supervision_loss(output: Supervision, labels: Tensor) -> Tensor:
    """Return the weighted sum over the levels: the finest at the labels' resolution, the others at half of it.

    Parameters
    ----------
    output : Supervision
        Region logits of each level, and boundary logits of as many levels as have a head for them.
    labels : Tensor, shape (N, H, W), int64
        0 is background.
    """
    total = torch.zeros((), device=labels.device)
    half = functional.interpolate(labels[:, None].float(), scale_factor=0.5, mode="nearest-exact")[:, 0].long()
    boundary = functional.max_pool2d(boundary_target(labels), 4, ceil_mode=True)
    for level, (region, edge) in enumerate(zip_longest(output.regions, output.boundaries)):
        target = half if level else labels
        weight = _LEVEL_WEIGHTS[level]
        total = total + weight * region_loss(_resized(region, target.shape[-2:]), target)
        if edge is None:
            continue
        logits = _resized(edge, boundary.shape[-2:]).float()
        # Boundaries are thin: what is rare weighs more.
        rarity = ((1 - boundary).sum() / boundary.sum().clamp(min=1)).clamp(max=10.0)
        total = total + weight * _BOUNDARY_WEIGHT * functional.binary_cross_entropy_with_logits(
            logits, boundary, pos_weight=rarity
        )
    return total


def _resized(logits: Tensor, size: torch.Size) -> Tensor:
    return functional.interpolate(logits.float(), size=tuple(size), mode="bilinear", align_corners=False)
