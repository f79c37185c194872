"""Multiscale frequency guidance (MSFG).

After the multi-frequency, multi-scale attention of Nam et al., *MADGNet* (CVPR 2024), with the defects mended that its
code has: the coefficients are taken on one 7x7 grid for every channel (one matrix product), each coefficient keeps its
own attention instead of being averaged away, and the two information flows start unequal so that the spatial mask
learns from the first step.

For a feature map ``X`` and scale ``s = 1 ... S``

    X_s = conv1x1(conv3x3_{dilation s}(avgpool_{2^(s-1)}(X)))                       scale decomposition
    z_{d,k} = d(P(X_s) * D_k),  d in {avg, max, min}                                K DCT coefficients
    M = sigmoid(sum_k a_k sum_d W2 relu(W1 z_{d,k})),   Y_s = M * X_s               channel guidance
    A = sigmoid(conv1x1(Y_s)),  R_s = conv3x3(alpha_s A * Y_s + beta_s (1 - A) * Y_s)  spatial guidance
    out = X + 1/S sum_s up(R_s)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_medfreq.transforms.dct import GRID, dct_basis, dct_pool

_MIN_WIDTH = 32
_MIN_SIDE = 8


class FrequencyChannelAttention(nn.Module):
    """Channel attention from K DCT coefficients of each channel.

    Parameters
    ----------
    width : int
        Channels.
    frequencies : int
        K: 1, 2, 4, 8, 16 or 32.
    reduction : int
        Bottleneck of the shared perceptron.
    """

    basis: Tensor

    def __init__(self, width: int, frequencies: int = 16, reduction: int = 8) -> None:
        super().__init__()
        # Scaled so that the first coefficient is the mean of the map.
        self.register_buffer("basis", (dct_basis(frequencies) / GRID).flatten(1).float(), persistent=False)
        self.weight = nn.Parameter(torch.zeros(frequencies))
        self.squeeze = nn.Linear(width, max(width // reduction, 8))
        self.excite = nn.Linear(max(width // reduction, 8), width)

    def forward(self, feature: Tensor) -> Tensor:
        """Return `feature` (N, C, h, w) with its channels weighted."""
        return feature * self.attention(feature).sigmoid()[:, :, None, None].to(feature.dtype)

    def attention(self, feature: Tensor) -> Tensor:
        """Return the logits of the channel attention, shape (N, C)."""
        return torch.einsum("nkc,k->nc", self.per_frequency(feature), self.weight.softmax(0))

    def per_frequency(self, feature: Tensor) -> Tensor:
        """Return the attention logits that each DCT coefficient votes for, shape (N, K, C)."""
        pooled = dct_pool(feature, self.basis)
        hidden = functional.relu(self.squeeze(pooled.permute(0, 1, 3, 2).to(self.squeeze.weight.dtype)))
        return self.excite(hidden).sum(0)  # type: ignore[no-any-return]


class Guidance(nn.Module):
    """One scale: decomposition, channel guidance, spatial guidance."""

    def __init__(self, width: int, scale: int, frequencies: int) -> None:
        super().__init__()
        self.scale = scale
        inner = max(width // 2 ** (scale - 1), _MIN_WIDTH)
        self.decompose = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=scale, dilation=scale, groups=width, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
        )
        self.channel = FrequencyChannelAttention(inner, frequencies)
        self.mask = nn.Conv2d(inner, 1, 1)
        self.foreground = nn.Parameter(torch.tensor(1.0))
        self.background = nn.Parameter(torch.tensor(0.5))
        self.combine = nn.Sequential(
            nn.Conv2d(inner, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )

    def forward(self, feature: Tensor) -> Tensor:
        """Return what this scale adds to `feature` (N, C, h, w), at its own resolution."""
        factor = 2 ** (self.scale - 1)
        while factor > 1 and min(feature.shape[-2:]) // factor < _MIN_SIDE:
            factor //= 2
        pooled = functional.avg_pool2d(feature, factor, ceil_mode=True) if factor > 1 else feature
        weighted = self.channel(self.decompose(pooled))
        mask = self.mask(weighted).sigmoid()
        flow = self.background + (self.foreground - self.background) * mask
        return self.combine(weighted * flow.to(weighted.dtype))  # type: ignore[no-any-return]


class MultiscaleFrequencyGuidance(nn.Module):
    """All scales of one level of the decoder; (N, width, h, w) to the same shape.

    Parameters
    ----------
    width : int
        Channels.
    scales : int
        S; scales that would leave less than 8 pixels a side are pooled less.
    frequencies : int
        K, the number of DCT coefficients.
    """

    def __init__(self, width: int, scales: int = 3, frequencies: int = 16) -> None:
        super().__init__()
        if scales < 1:
            raise ValueError(f"MSFG needs at least one scale, not {scales}")
        self.scales = nn.ModuleList(Guidance(width, scale + 1, frequencies) for scale in range(scales))

    def forward(self, feature: Tensor) -> Tensor:
        size = feature.shape[-2:]
        added = [functional.interpolate(g(feature), size=size, mode="bilinear") for g in self.scales]
        return feature + sum(added[1:], added[0]) / len(added)

    def parts(self, feature: Tensor) -> list[Tensor]:
        """Return the terms of the sum that ``forward`` computes, each at its own resolution, `feature` first."""
        return [feature, *(g(feature) / len(self.scales) for g in self.scales)]
