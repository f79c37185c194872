"""The masks of Monte Carlo dropout: drawn once, on the CPU, so that all slices, tiles and devices see the same."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

HEADS_PER_DECODER = 5
"""Passes that share one draw of the decoder's masks.

Everything behind the decoder's dropout is nonlinear and has to be computed again for each draw, while a draw of the
head's masks costs one row of a matrix product, about a fiftieth. Nested sampling therefore draws fewer of the former:
the mean stays unbiased, and its variance is ``Var_decoder / D + Var_head / T`` with ``D = T / 5``.
"""


class PassMasks(NamedTuple):
    """Channel masks, each 0 or ``1 / (1 - p)``, float32, on the CPU."""

    head: Tensor
    """Before the classifier, shape (T, width)."""
    decoder: Tensor | None = None
    """After the projections of the four levels, the finest first, shape (D, 4, width); None without dropout there."""

    def groups(self) -> list[Tensor]:
        """Return the head's masks of each draw of the decoder: D tensors of shape (T_d, width), in order."""
        return list(self.head.tensor_split(1 if self.decoder is None else len(self.decoder)))


def draw_masks(passes: int, seed: int, width: int, *, head: float, decoder: float) -> PassMasks:
    """Draw the masks of `passes` passes.

    Parameters
    ----------
    passes, seed : int
        T; the same seed gives the same masks.
    width : int
        Channels of the decoder.
    head, decoder : float
        Probability p that a channel is dropped, range [0, 1).
    """
    generator = torch.Generator().manual_seed(seed)
    masks = _draw((passes, width), head, generator)
    if decoder == 0.0:
        return PassMasks(masks)
    return PassMasks(masks, _draw((-(-passes // HEADS_PER_DECODER), 4, width), decoder, generator))


def _draw(shape: tuple[int, ...], dropped: float, generator: torch.Generator) -> Tensor:
    keep = 1.0 - dropped
    return (torch.rand(shape, generator=generator) < keep).float() / keep
