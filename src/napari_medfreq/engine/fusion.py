"""The same network with fewer steps: batch norms folded into the convolutions before them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

if TYPE_CHECKING:
    from collections.abc import Iterator

NetworkT = TypeVar("NetworkT", bound=nn.Module)


def fused(network: NetworkT) -> NetworkT:
    """Return a copy of `network`, in evaluation mode, that computes the same (to rounding) without batch norms.

    Only a batch norm that directly follows a convolution in an ``nn.Sequential`` is folded; in evaluation mode it is a
    fixed scale and offset of each channel.
    """
    lean = copy.deepcopy(network).eval()
    for chain, index in list(_pairs(lean)):
        convolution, norm = chain[index], chain[index + 1]
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            chain[index] = fuse_conv_bn_eval(convolution, norm)
            chain[index + 1] = nn.Identity()
    return lean


def _pairs(network: nn.Module) -> Iterator[tuple[nn.Sequential, int]]:
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            yield from ((module, index) for index in range(len(module) - 1))
