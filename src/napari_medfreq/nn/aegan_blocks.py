"""The parts of AE-GAN: conditional instance norm, encoder, residual trunk, decoder with squeeze and excitation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPSILON = 1e-5


class ConditionalNorm(nn.Module):
    """Instance norm whose scale and shift belong to the target (Dumoulin et al., ICLR 2017).

    ``y = g_t (x - mean) / sqrt(var + eps) + b_t``, mean and variance over the plane of each sample and channel.

    AE-GAN tells the target by planes of a one-hot mask beside the image. A constant plane convolved under reflection
    padding adds a constant to each channel, which the norm behind the convolution (instance norm, or batch norm of a
    batch of one as published) subtracts again: there the network cannot see it. The mask vector therefore acts here,
    behind the norm.

    Parameters
    ----------
    channels : int
        C.
    targets : int
        T; 1 makes it an ordinary instance norm.
    """

    def __init__(self, channels: int, targets: int = 1) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(targets, channels))
        self.shift = nn.Parameter(torch.zeros(targets, channels))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (N, C, H, W) for `x` of that shape and the mask vector (N, T), one-hot; None where T is 1."""
        count, channels, *size = x.shape
        scale: Tensor = self.scale.expand(count, -1) if mask is None else mask @ self.scale
        shift: Tensor = self.shift.expand(count, -1) if mask is None else mask @ self.shift
        # A batch norm of one sample with N C channels is an instance norm, and takes each sample's own scale and shift
        # in the same pass.
        normal = functional.batch_norm(
            x.reshape(1, count * channels, *size),
            None,
            None,
            scale.reshape(-1).float(),
            shift.reshape(-1).float(),
            training=True,
            eps=_EPSILON,
        )
        return normal.view(count, channels, *size)


class Step(nn.Module):
    """Convolution without bias, `ConditionalNorm`, activation.

    Parameters
    ----------
    convolution : torch.nn.Module
        Any that maps (N, C, H, W) to (N, C', H', W').
    channels, targets : int
        Of the norm: C' and T.
    activation : torch.nn.Module or None
        None leaves it out.
    """

    def __init__(
        self, convolution: nn.Module, channels: int, targets: int = 1, activation: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.convolution = convolution
        self.norm = ConditionalNorm(channels, targets)
        self.activation = activation

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (N, C', H', W')."""
        x = self.norm(self.convolution(x), mask)
        return x if self.activation is None else self.activation(x)


class Encoder(nn.Module):
    """7x7, then two 3x3 of stride 2: (N, K, H, W) to (N, 4 w, H/4, W/4)."""

    def __init__(self, in_channels: int, width: int, targets: int = 1) -> None:
        super().__init__()
        self.steps = nn.ModuleList(
            [
                Step(_reflecting(in_channels, width, 7), width, targets, nn.ReLU()),
                Step(_strided(width, 2 * width), 2 * width, targets, nn.ReLU()),
                Step(_strided(2 * width, 4 * width), 4 * width, targets, nn.ReLU()),
            ]
        )

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the code; H and W must be multiples of 4."""
        return self.levels(x, mask)[-1]

    def levels(self, x: Tensor, mask: Tensor | None = None) -> list[Tensor]:
        """Return the features of all levels, the finest first, the code last."""
        found = []
        for step in self.steps:
            x = step(x, mask)
            found.append(x)
        return found


class ResidualBlock(nn.Module):
    """``x + N(conv(drop(relu(N(conv(x))))))``, 3x3 with reflection."""

    def __init__(self, channels: int, targets: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.first = Step(_reflecting(channels, channels, 3), channels, targets, nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        self.second = Step(_reflecting(channels, channels, 3), channels, targets)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (N, C, H, W)."""
        result: Tensor = x + self.second(self.dropout(self.first(x, mask)), mask)
        return result


class SqueezeExcitation(nn.Module):
    """``x + x s``, ``s = sigmoid(W2 relu(W1 mean(x)))`` (Hu et al., CVPR 2018, with AE-GAN's skip)."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(4, channels // reduction)
        self.gate = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W)."""
        gain: Tensor = self.gate(x.mean((2, 3)))
        return x + x * gain[:, :, None, None].to(x.dtype)


class Decoder(nn.Module):
    """Two transposed 3x3 of stride 2: (N, 4 w, H/4, W/4) to features (N, 2 w, H/2, W/2) and (N, w, H, W).

    Parameters
    ----------
    width, targets : int
        w and T.
    excite : bool
        With `SqueezeExcitation` behind each.
    """

    def __init__(self, width: int, targets: int = 1, *, excite: bool) -> None:
        super().__init__()
        self.steps = nn.ModuleList(Step(_transposed(2 * c, c), c, targets, nn.ReLU()) for c in (2 * width, width))
        self.gates = nn.ModuleList(SqueezeExcitation(c) if excite else nn.Identity() for c in (2 * width, width))

    def forward(
        self, code: Tensor, mask: Tensor | None = None, skips: Sequence[Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the features of both levels, the coarser first; `skips`, of the same shapes, are added to them."""
        coarse: Tensor = self.gates[0](self.steps[0](code, mask))
        if skips is not None:
            coarse = coarse + skips[0]
        fine: Tensor = self.gates[1](self.steps[1](coarse, mask))
        return coarse, fine if skips is None else fine + skips[1]


def image_head(width: int) -> nn.Conv2d:
    """Return the 7x7 convolution from the finest features to an image."""
    return nn.Conv2d(width, 1, 7, padding=3, padding_mode="reflect")


def _reflecting(inputs: int, outputs: int, size: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, padding_mode="reflect", bias=False)


def _strided(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)


def _transposed(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1, bias=False)
