"""The Mix Transformer (MiT) encoder of SegFormer (Xie et al., 2021), B0 to B5.

Tokens stay in the layout (batch, height, width, channels) throughout: the same memory is a channels-last feature map
for the convolutions and a token list for the linear layers, so nothing is copied between them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

Variant = Literal["b0", "b1", "b2", "b3", "b4", "b5"]
BeforeBlock = Callable[[int, Tensor], Tensor]
"""What changes the tokens (N, h, w, C_s) before the block of that index."""

_WIDTHS = {"b0": (32, 64, 160, 256)}
_DEPTHS = {
    "b0": (2, 2, 2, 2),
    "b1": (2, 2, 2, 2),
    "b2": (3, 4, 6, 3),
    "b3": (3, 4, 18, 3),
    "b4": (3, 8, 27, 3),
    "b5": (3, 6, 40, 3),
}
_HEADS = (1, 2, 5, 8)
_REDUCTIONS = (8, 4, 2, 1)
_PATCHES = ((7, 4), (3, 2), (3, 2), (3, 2))
_EPS = 1e-6


@dataclass(frozen=True)
class MiTConfig:
    """Which encoder.

    Parameters
    ----------
    variant : str
        ``b0`` (3.3 M parameters) to ``b5`` (81.4 M).
    in_channels : int
        Channels of the image.
    drop_path : float
        Stochastic depth of the last block; it rises linearly from 0 at the first.
    """

    variant: Variant = "b0"
    in_channels: int = 3
    drop_path: float = 0.1

    def __post_init__(self) -> None:
        if self.variant not in _DEPTHS:
            raise ValueError(f"encoder {self.variant!r} is not one of {', '.join(_DEPTHS)}")

    @property
    def widths(self) -> tuple[int, int, int, int]:
        """Channels of the four stages."""
        return _WIDTHS.get(self.variant, (64, 128, 320, 512))

    @property
    def depths(self) -> tuple[int, int, int, int]:
        """Blocks of the four stages."""
        return _DEPTHS[self.variant]


class PatchEmbedding(nn.Module):
    """Overlapping patches: a strided convolution and a layer norm; (N, C, H, W) to tokens (N, h, w, width)."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(channels, width, kernel, stride, kernel // 2)
        self.norm = nn.LayerNorm(width, eps=1e-5)

    def forward(self, image: Tensor) -> Tensor:
        pixels = image.to(self.projection.weight.dtype, memory_format=torch.channels_last)
        tokens = self.projection(pixels).permute(0, 2, 3, 1)
        return self.norm(tokens)  # type: ignore[no-any-return]


class Attention(nn.Module):
    """Self-attention whose keys and values come from a map reduced by `reduction` along each side.

    ``forward`` returns the mixed values; the `output` projection is left to the caller, who adds it to the tokens.
    """

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)
        self.reduce = nn.Conv2d(width, width, reduction, reduction) if reduction > 1 else None
        self.reduce_norm = nn.LayerNorm(width, eps=1e-5) if reduction > 1 else None

    def forward(self, tokens: Tensor) -> Tensor:
        batch, height, width, channels = tokens.shape
        source = tokens
        if self.reduce is not None and self.reduce_norm is not None:
            source = self.reduce_norm(self.reduce(padded_map(tokens, self.reduce.stride[0])).permute(0, 2, 3, 1))
        split = (self.heads, channels // self.heads)
        query = self.query(tokens).view(batch, -1, *split).transpose(1, 2)
        key, value = self.key_value(source).view(batch, -1, 2, *split).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return mixed.transpose(1, 2).reshape(batch, height, width, channels)


def padded_map(tokens: Tensor, multiple: int) -> Tensor:
    """Return the tokens as a channels-last map, grown at its end where it is smaller than one reduction window."""
    feature = tokens.permute(0, 3, 1, 2)
    missing = [max(multiple - size, 0) for size in feature.shape[-2:]]
    if any(missing):
        feature = functional.pad(feature, (0, missing[1], 0, missing[0]), mode="replicate")
    return feature


class MixFeedForward(nn.Module):
    """Linear, depthwise 3x3 convolution (which stands in for positions), GELU, linear.

    ``forward`` returns what comes before the last linear layer, `contract`, which is left to the caller.
    """

    def __init__(self, width: int, ratio: int = 4) -> None:
        super().__init__()
        self.expand = nn.Linear(width, ratio * width)
        self.depthwise = nn.Conv2d(ratio * width, ratio * width, 3, 1, 1, groups=ratio * width)
        self.contract = nn.Linear(ratio * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.depthwise(self.expand(tokens).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return functional.gelu(hidden) if torch.is_grad_enabled() else torch.ops.aten.gelu_(hidden)


class Block(nn.Module):
    """``x + attention(norm(x))``, then ``x + feed_forward(norm(x))``.

    In training each of the two branches is dropped with the probability `drop_path`, sample by sample, and scaled by
    ``1 / (1 - drop_path)`` where it is kept.
    """

    def __init__(self, width: int, heads: int, reduction: int, drop_path: float) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width, eps=_EPS)
        self.attention = Attention(width, heads, reduction)
        self.norm_feed_forward = nn.LayerNorm(width, eps=_EPS)
        self.feed_forward = MixFeedForward(width)
        self.drop_path = drop_path

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = self._added(tokens, self.attention(self.norm_attention(tokens)), self.attention.output)
        return self._added(tokens, self.feed_forward(self.norm_feed_forward(tokens)), self.feed_forward.contract)

    def _added(self, tokens: Tensor, hidden: Tensor, linear: nn.Linear) -> Tensor:
        """Return ``tokens + linear(hidden)``."""
        if torch.is_grad_enabled() or hidden.dtype != tokens.dtype:
            return tokens + self._dropped(linear(hidden))
        # The matrix product adds to the tokens by itself: a pass over the memory less.
        total = torch.addmm(tokens.flatten(0, 2), hidden.flatten(0, 2), linear.weight.t())
        return total.add_(linear.bias).view(tokens.shape)

    def _dropped(self, branch: Tensor) -> Tensor:
        if not self.training or self.drop_path == 0.0:
            return branch
        keep = torch.rand(branch.shape[0], 1, 1, 1, device=branch.device) >= self.drop_path
        return branch * (keep / (1.0 - self.drop_path)).to(branch.dtype)


class Stage(nn.Module):
    """Patch embedding, blocks, norm; (N, C, H, W) to (N, C_s, h, w), channels-last in memory."""

    def __init__(self, config: MiTConfig, index: int, drop_paths: Sequence[float]) -> None:
        super().__init__()
        width = config.widths[index]
        channels = config.in_channels if index == 0 else config.widths[index - 1]
        self.embedding = PatchEmbedding(channels, width, *_PATCHES[index])
        self.blocks = nn.ModuleList(Block(width, _HEADS[index], _REDUCTIONS[index], drop) for drop in drop_paths)
        self.norm = nn.LayerNorm(width, eps=1e-5)

    def forward(self, image: Tensor, adapt: Callable[[Tensor], BeforeBlock] | None = None) -> Tensor:
        tokens = self.embedding(image)
        before = adapt(tokens) if adapt is not None else None
        for number, block in enumerate(self.blocks):
            tokens = block(tokens if before is None else before(number, tokens))
        return self.norm(tokens).permute(0, 3, 1, 2)  # type: ignore[no-any-return]


class MixTransformer(nn.Module):
    """The encoder: an image (N, C, H, W) to four maps, (N, C_s, H/4, W/4) to (N, C_s, H/32, W/32).

    The maps are channels-last in memory. ``H / 4`` is rounded up, as are the further halvings; any size works.

    Parameters
    ----------
    config : MiTConfig
        Variant, channels of the image and stochastic depth.
    """

    def __init__(self, config: MiTConfig) -> None:
        super().__init__()
        self.config = config
        total = sum(config.depths)
        drops = [config.drop_path * i / max(total - 1, 1) for i in range(total)]
        starts = [sum(config.depths[:i]) for i in range(4)]
        self.stages = nn.ModuleList(
            Stage(config, i, drops[start : start + config.depths[i]]) for i, start in enumerate(starts)
        )
        self.apply(_initialise)

    def forward(self, image: Tensor, adapt: Callable[[int, Tensor], BeforeBlock] | None = None) -> list[Tensor]:
        """Encode `image`.

        Parameters
        ----------
        image : Tensor, shape (N, C, H, W)
        adapt : callable, optional
            Called with the index of a stage and its patch embedding; returns what is to be called before each block
            with the block's index and the tokens (see `mfa.ModalityAdapter`).
        """
        features = []
        current = image
        for index, stage in enumerate(self.stages):
            current = stage(current, None if adapt is None else partial(adapt, index))
            features.append(current)
        return features


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=(2.0 / fan_out) ** 0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
