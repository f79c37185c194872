"""Public encoder weights: SegFormer's, in the layout in which Hugging Face publishes them."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from napari_medfreq.nn.mit import MixTransformer


def load_segformer(encoder: MixTransformer, state: dict[str, Tensor]) -> None:
    """Load public ``mit-b*`` or SegFormer weights in Hugging Face's layout into `encoder`.

    Parameters
    ----------
    encoder : MixTransformer
        Of the same variant.
    state : dict of str to Tensor
        The contents of ``model.safetensors`` (with or without the prefix ``segformer.``); heads are ignored.

    Raises
    ------
    ValueError
        If tensors are missing or of another size: the weights belong to another variant.
    """
    plain = {name.removeprefix("segformer."): tensor for name, tensor in state.items()}
    renamed: OrderedDict[str, Tensor] = OrderedDict()
    missing = []
    for name, own in encoder.state_dict().items():
        parts = [plain.get(source) for source in _segformer_names(name)]
        tensors = [part for part in parts if part is not None]
        value = torch.cat(tensors) if len(tensors) == len(parts) else None
        if value is None or value.shape != own.shape:
            missing.append(name)
        else:
            renamed[name] = value
    if missing:
        raise ValueError(
            f"these weights do not fit an encoder {encoder.config.variant}: {len(missing)} tensors are missing or of "
            f"another size, the first is {missing[0]}"
        )
    encoder.load_state_dict(renamed)


_SEGFORMER = {
    "norm_attention": "layer_norm_1",
    "norm_feed_forward": "layer_norm_2",
    "attention.query": "attention.self.query",
    "attention.output": "attention.output.dense",
    "attention.reduce": "attention.self.sr",
    "attention.reduce_norm": "attention.self.layer_norm",
    "feed_forward.expand": "mlp.dense1",
    "feed_forward.depthwise": "mlp.dwconv.dwconv",
    "feed_forward.contract": "mlp.dense2",
}


def _segformer_names(name: str) -> list[str]:
    """Return the tensors in Hugging Face's layout whose concatenation is our tensor `name`."""
    _, stage, part, *rest = name.split(".")
    kind = rest[-1]
    if part == "norm":
        return [f"encoder.layer_norm.{stage}.{kind}"]
    if part == "embedding":
        inner = "proj" if rest[0] == "projection" else "layer_norm"
        return [f"encoder.patch_embeddings.{stage}.{inner}.{kind}"]
    block, module = f"encoder.block.{stage}.{rest[0]}", ".".join(rest[1:-1])
    if module == "attention.key_value":
        return [f"{block}.attention.self.{half}.{kind}" for half in ("key", "value")]
    return [f"{block}.{_SEGFORMER[module]}.{kind}"]
