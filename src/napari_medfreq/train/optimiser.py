"""Which parameters move how fast, and the average of where they have been."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from napari_medfreq.train.config import OptimiserConfig

    Tensors = tuple[Tensor, ...] | list[Tensor]

_FLOOR = 0.01


def build_optimisers(network: nn.Module, config: OptimiserConfig) -> list[torch.optim.Optimizer]:
    """Return AdamW for all parameters, or Muon for the encoder's matrices and AdamW for the rest.

    Frozen parameters are left out; weight decay is for matrices and kernels only. Each group keeps its peak learning
    rate under ``base``, which `set_rate` needs.
    """
    matrices, decayed, plain = [], [], []
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        if config.matrices == "muon" and parameter.ndim == 2 and name.startswith("encoder."):
            matrices.append(parameter)
        elif parameter.ndim >= 2:
            decayed.append(parameter)
        else:
            plain.append(parameter)
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    optimisers: list[torch.optim.Optimizer] = [torch.optim.AdamW(groups, lr=config.rate)]
    if matrices:
        optimisers.append(
            torch.optim.Muon(
                matrices,
                lr=config.matrix_rate,
                weight_decay=config.weight_decay,
                momentum=0.95,
                adjust_lr_fn="original",
            )
        )
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["base"] = group["lr"]
    return optimisers


def set_rate(optimisers: list[torch.optim.Optimizer], config: OptimiserConfig, done: float) -> float:
    """Set the learning rates for the share `done` of the run: linear warm-up, cosine decay; return the factor."""
    if done < config.warmup:
        factor = (done + 1e-3) / (config.warmup + 1e-3)
    else:
        progress = (done - config.warmup) / max(1 - config.warmup, 1e-9)
        factor = _FLOOR + (1 - _FLOOR) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = group["base"] * factor
    return factor


def moving_average(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """Return the update ``a <- d a + (1 - d) w`` with ``d = min(decay, (1 + n) / (10 + n))`` after n updates.

    Without the rise of ``d`` the average would for a long time remember the random weights of the start.
    """

    @torch.no_grad()
    def update(averaged: Tensors, current: Tensors, updates: Tensor | int) -> None:
        count = int(updates)
        weight = 1.0 - min(decay, (1 + count) / (10 + count))
        for mean, value in zip(averaged, current, strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, weight)
            else:
                mean.copy_(value)

    return update
