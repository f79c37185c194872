"""Monte Carlo stochastic depth: passes in which residual branches of the encoder are left out, as in training."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from napari_medfreq.nn.mit import Block

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn


def draw_branches(network: nn.Module, passes: int, seed: int) -> Tensor:
    """Return the factors of the two branches of every encoder block: 0, or ``1 / (1 - p)`` where it is kept.

    Returns
    -------
    torch.Tensor, shape (T, blocks, 2), float32
        On the CPU; the same for every slice and tile.
    """
    generator = torch.Generator().manual_seed(seed)
    keep = torch.tensor([1.0 - block.drop_path for block in _blocks(network)])[:, None]
    return (torch.rand(passes, len(keep), 2, generator=generator) < keep).float() / keep


@contextmanager
def branches_scaled(network: nn.Module, factors: Tensor) -> Iterator[None]:
    """Scale the branches of the encoder's blocks by `factors`, shape (blocks, 2), for as long as the block runs.

    A branch ends in a linear layer, so scaling its weights and offsets scales the branch.
    """
    before: list[tuple[Tensor, Tensor]] = []
    try:
        for block, pair in zip(_blocks(network), factors.tolist(), strict=True):
            for linear, factor in zip((block.attention.output, block.feed_forward.contract), pair, strict=True):
                for parameter in (linear.weight, linear.bias):
                    before.append((parameter, parameter.data))
                    parameter.data = parameter.data * factor
        yield
    finally:
        for parameter, data in before:
            parameter.data = data


def _blocks(network: nn.Module) -> list[Block]:
    return [module for module in network.modules() if isinstance(module, Block)]
