"""The MiT encoder made ready for use on a CPU: the same function in fewer and larger steps.

On a processor the arithmetic of a small encoder is only half of its time; the rest is passes over the memory and the
laying out of weights. So this is done once, when a network is made ready, instead of for every image:

- weights are laid out as oneDNN, PyTorch's library for CPUs, wants them; biases, GELU and residual sums happen inside
  its products and convolutions;
- keys and values are padded to whole vectors of the processor, without which the softmax takes twice as long;
- where attention has one head (the first stage, with the most tokens), its four projections shrink to one, of the few
  reduced tokens: with queries ``W_q x + b_q`` and keys ``W_k s + b_k`` the softmax over ``s`` sees only
  ``x . (W_q^T W_k s) + (W_k^T b_q) . s``, and since its weights add up to one the output is the same mean of
  ``W_o (W_v s + b_v) + b_o``.

Tokens lie as in `mit`: (batch, height, width, channels).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_medfreq.nn.mit import padded_map

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_medfreq.nn.mit import Attention, BeforeBlock, Block, MixTransformer, PatchEmbedding, Stage

_VECTOR = 32
"""Numbers in the widest vector of a processor, 64 bytes of bfloat16."""
_SCORES = 1 << 21
"""Attention scores held at a time: they stay in the cache, and memory does not grow with the square of the image."""


def packed(encoder: MixTransformer, dtype: torch.dtype) -> nn.Module:
    """Return what computes the same as `encoder` in evaluation mode, on the CPU, without gradients, but faster.

    Parameters
    ----------
    encoder : MixTransformer
        In float32, so that what is multiplied out is rounded once; stays as it is.
    dtype : torch.dtype
        To compute in: float32 or bfloat16.

    Returns
    -------
    Module
        Called as `encoder` is, with images of any floating dtype. Without parameters: neither trained nor saved.
        `encoder` itself, converted, where this PyTorch or this processor cannot.
    """
    return PackedMixTransformer(encoder, dtype) if can_pack(dtype) else encoder.to(dtype)


def can_pack(dtype: torch.dtype) -> bool:
    """Return whether this PyTorch has oneDNN's fused convolutions, and this processor `dtype`."""
    names = ("_reorder_convolution_weight", "_convolution_pointwise", "_convolution_pointwise_")
    built = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not built or not all(hasattr(torch.ops.mkldnn, name) for name in names):
        return False
    return dtype == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class PackedMixTransformer(nn.Module):
    """See `packed`. What is called before a block must not keep the tokens: they are changed in place."""

    def __init__(self, encoder: MixTransformer, dtype: torch.dtype) -> None:
        super().__init__()
        self.config = encoder.config
        with torch.no_grad():
            self._stages = [_Stage(stage, dtype) for stage in encoder.stages]  # type: ignore[arg-type]

    def forward(self, image: Tensor, adapt: Callable[[int, Tensor], BeforeBlock] | None = None) -> list[Tensor]:
        """Encode `image`, as `MixTransformer.forward` does."""
        features = []
        current = image
        with torch.no_grad():
            for index, stage in enumerate(self._stages):
                current = stage(current, None if adapt is None else partial(adapt, index))
                features.append(current)
        return features


class _Convolution:
    """A convolution of tokens whose weights are laid out for oneDNN; with a kernel of 1x1, a linear layer.

    Which layout is best depends on the size of the input, and weights in another one are laid out anew at every call,
    by the slowest of means (100 ms for one layer of a B2). So that of the last size is kept, beside the plain weights.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor, dtype: torch.dtype, like: nn.Conv2d | None = None, then: str = "none"
    ) -> None:
        conv = like or nn.Conv2d(1, 1, 1, device="meta")
        self._geometry = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
        self._plain = (weight if weight.dim() == 4 else weight[..., None, None]).detach().to(dtype)
        self._bias = bias.detach().to(dtype)
        self._then = then
        self._laid_out: tuple[torch.Size, Tensor] | None = None

    @classmethod
    def of(cls, layer: nn.Module, dtype: torch.dtype, then: Literal["none", "gelu"] = "none") -> _Convolution:
        """Return `layer`, a linear layer or a convolution, followed by `then`."""
        like = layer if isinstance(layer, nn.Conv2d) else None
        return cls(layer.weight, layer.bias, dtype, like, then)  # type: ignore[arg-type]

    def __call__(self, tokens: Tensor) -> Tensor:
        feature = tokens.permute(0, 3, 1, 2)
        result = torch.ops.mkldnn._convolution_pointwise(
            feature, self._weight(feature.shape), self._bias, *self._geometry, self._then, [], "none"
        )
        return result.permute(0, 2, 3, 1)  # type: ignore[no-any-return]

    def add_to(self, total: Tensor, tokens: Tensor) -> None:
        """Add the result for `tokens` to `total`, in place."""
        feature = tokens.permute(0, 3, 1, 2)
        sums = (total.permute(0, 3, 1, 2), feature, self._weight(feature.shape), self._bias)
        torch.ops.mkldnn._convolution_pointwise_.binary(*sums, *self._geometry, "add", 1.0, None, [], None)

    def _weight(self, size: torch.Size) -> Tensor:
        if self._laid_out is None or self._laid_out[0] != size:
            weight = torch.ops.mkldnn._reorder_convolution_weight(self._plain, *self._geometry, list(size))
            self._laid_out = (size, weight)
        return self._laid_out[1]


class _Embedding:
    """`mit.PatchEmbedding`, from a map (N, C, H, W)."""

    def __init__(self, embedding: PatchEmbedding, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._projection = _Convolution.of(embedding.projection, dtype)
        self._norm = _norm(embedding.norm, dtype)

    def __call__(self, image: Tensor) -> Tensor:
        # First smaller, then laid out anew: twice as fast as both in one go.
        pixels = image.to(self._dtype).permute(0, 2, 3, 1).contiguous()
        return self._norm(self._projection(pixels))


class _KeySource:
    """The tokens that keys and values are made of: reduced, and padded to whole vectors of the processor."""

    def __init__(self, attention: Attention, dtype: torch.dtype) -> None:
        self._reduction = attention.reduce.stride[0] if attention.reduce is not None else 1
        self._reduce = _Convolution.of(attention.reduce, dtype) if attention.reduce is not None else None
        self._norm = _norm(attention.reduce_norm, dtype) if attention.reduce_norm is not None else None

    def __call__(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return them, (N, m, C), and what to add to the scores (m): 0, and minus infinity for the padding."""
        source = tokens
        if self._reduce is not None and self._norm is not None:
            feature = padded_map(tokens, self._reduction)
            source = self._norm(self._reduce(feature.permute(0, 2, 3, 1)))
        flat = source.flatten(1, 2)
        count = flat.shape[1]
        missing = -count % _VECTOR
        mask = flat.new_zeros(count + missing)
        mask[count:] = -torch.inf
        return functional.pad(flat, (0, 0, 0, missing)), mask


class _SharedAttention:
    """Attention with one head, added to the tokens; its projections are multiplied out (see the module)."""

    def __init__(self, attention: Attention, dtype: torch.dtype) -> None:
        query, output = attention.query, attention.output
        key, value = attention.key_value.weight.chunk(2)
        value_bias = attention.key_value.bias.chunk(2)[1]
        scale = len(key) ** -0.5
        keys, values = scale * (query.weight.T @ key), output.weight @ value
        bias = torch.cat([torch.zeros_like(value_bias), output.weight @ value_bias + output.bias])
        self._source = _KeySource(attention, dtype)
        self._key_value = _linear(torch.cat([keys, values]), bias, dtype)
        self._score_bias = (scale * (key.T @ query.bias)).to(dtype)

    def add_to(self, total: Tensor, tokens: Tensor) -> None:
        source, mask = self._source(tokens)
        key, value = self._key_value(source).chunk(2, dim=-1)
        bias = source @ self._score_bias + mask
        flat, out = tokens.flatten(1, 2), total.flatten(1, 2)
        for i in range(len(tokens)):
            _attend(out[i, None], flat[i, None], key[i, None], value[i, None], bias[i, None], add=True)


class _MultiHeadAttention:
    """Attention with several heads, added to the tokens."""

    def __init__(self, attention: Attention, dtype: torch.dtype) -> None:
        query = attention.query
        self._heads = attention.heads
        scale = (query.out_features // attention.heads) ** -0.5
        self._source = _KeySource(attention, dtype)
        self._query = _Convolution(scale * query.weight, scale * query.bias, dtype)
        self._key_value = _linear(attention.key_value.weight, attention.key_value.bias, dtype)
        self._output = _Convolution.of(attention.output, dtype)

    def add_to(self, total: Tensor, tokens: Tensor) -> None:
        source, mask = self._source(tokens)
        query = self._split(self._query(tokens).flatten(1, 2))
        key, value = (self._split(part) for part in self._key_value(source).chunk(2, dim=-1))
        mixed = torch.empty_like(tokens)
        out = self._split(mixed.flatten(1, 2))
        for i in range(len(tokens)):
            _attend(out[i], query[i], key[i], value[i], mask, add=False)
        self._output.add_to(total, mixed)

    def _split(self, tokens: Tensor) -> Tensor:
        """Return tokens (N, m, C) as (N, heads, m, C / heads), a view."""
        return tokens.view(*tokens.shape[:2], self._heads, -1).transpose(1, 2)


def _attend(out: Tensor, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, *, add: bool) -> None:
    """Set `out`, or `add` to it, ``softmax(query key^T + bias) value``, head by head.

    Two products and a softmax between them are faster here than PyTorch's fused attention, whose blocks are too small
    for so few keys and channels.
    """
    rows = max(1, _SCORES // (key.shape[0] * key.shape[1]))
    for start in range(0, query.shape[1], rows):
        block = slice(start, start + rows)
        weights = torch.baddbmm(bias, query[:, block], key.transpose(1, 2)).softmax(-1)
        out[:, block].baddbmm_(weights, value, beta=int(add))


class _Block:
    """`mit.Block` in evaluation mode, in place."""

    def __init__(self, block: Block, dtype: torch.dtype) -> None:
        attention, feed_forward = block.attention, block.feed_forward
        self._norm_attention = _norm(block.norm_attention, dtype)
        kind = _SharedAttention if attention.heads == 1 else _MultiHeadAttention
        self._attention = kind(attention, dtype)
        self._norm_feed_forward = _norm(block.norm_feed_forward, dtype)
        self._expand = _Convolution.of(feed_forward.expand, dtype)
        self._depthwise = _Convolution.of(feed_forward.depthwise, dtype, then="gelu")
        self._contract = _Convolution.of(feed_forward.contract, dtype)

    def __call__(self, tokens: Tensor) -> None:
        self._attention.add_to(tokens, self._norm_attention(tokens))
        hidden = self._depthwise(self._expand(self._norm_feed_forward(tokens)))
        self._contract.add_to(tokens, hidden)


class _Stage:
    """`mit.Stage` in evaluation mode."""

    def __init__(self, stage: Stage, dtype: torch.dtype) -> None:
        self._embedding = _Embedding(stage.embedding, dtype)
        self._blocks = [_Block(block, dtype) for block in stage.blocks]  # type: ignore[arg-type]
        self._norm = _norm(stage.norm, dtype)

    def __call__(self, image: Tensor, adapt: Callable[[Tensor], BeforeBlock] | None) -> Tensor:
        tokens = self._embedding(image)
        before = adapt(tokens) if adapt is not None else None
        for number, block in enumerate(self._blocks):
            if before is not None:
                tokens = before(number, tokens).contiguous()
            block(tokens)
        return self._norm(tokens).permute(0, 3, 1, 2)


def _norm(norm: nn.LayerNorm, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    weight, bias = norm.weight.detach().to(dtype), norm.bias.detach().to(dtype)
    return partial(
        functional.layer_norm, normalized_shape=norm.normalized_shape, weight=weight, bias=bias, eps=norm.eps
    )


def _linear(weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """Return a linear layer for few tokens, for which a convolution does not pay."""
    return partial(functional.linear, weight=weight.detach().to(dtype), bias=bias.detach().to(dtype))
