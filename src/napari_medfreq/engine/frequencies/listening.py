"""What a model listens to: the DCT coefficients of its channel attention, and the bands of its frequency prompt.

The channel attention of MSFG (`napari_medfreq.nn.msfg`) is ``sigmoid(sum_k a_k v_kc)``: every DCT coefficient ``k``
votes ``v_kc`` for channel ``c``, with a learned weight ``a_k``. The prompt (`napari_medfreq.nn.fep`) adds ``sum_b W_b
s_b`` to the first stage of the encoder, with a learned vector ``W_b`` for the magnitudes ``s_b`` of each contourlet
band.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from napari_medfreq.engine.frequencies.results import CoefficientVote, Listening, PromptBand
from napari_medfreq.engine.frequencies.transforms import in_units, unit_of
from napari_medfreq.nn.msfg import FrequencyChannelAttention, Guidance
from napari_medfreq.transforms.bands import BandKey, energies
from napari_medfreq.transforms.dct import TOP_FREQUENCIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from napari_medfreq.engine.frequencies.model_plane import ModelPlane
    from napari_medfreq.engine.options import Sink
    from napari_medfreq.nn.fep import FrequencyPrompt
    from napari_medfreq.nn.mmsnet import MMSNet

_STRIDES = (4, 8, 16, 32)


def listen(plane: ModelPlane, sink: Sink) -> Listening:
    """Return what the model of `plane` listens to in it."""
    network, images = plane.predictor.network, plane.images()
    extents: list[tuple[int, int]] = []
    with torch.inference_mode(), _recorded(network) as records:
        handle = network.encoder.register_forward_pre_hook(lambda _, inputs: extents.append(inputs[0].shape[-2:]))
        try:
            plane.mask(images, sink)
        finally:
            handle.remove()
        prompt = _prompt_bands(plane, network.prompt, images)
    model = plane.segmenter.folder.title
    if not records:
        sink.note(f"{model} has no frequency guidance (MSFG): there is no attention to show.")
    if not prompt:
        sink.note(f"{model} has no contourlet prompt: there are no bands that it is given.")
    votes = [vote for record in records for vote in _votes(record, extents[0], plane.spacing)]
    return Listening(model, tuple(votes), tuple(prompt), unit_of(plane.stack))


@dataclass(eq=False)
class _Record:
    """What one channel attention was given and made of it; several images (tiles) add up."""

    stride: int
    scale: int
    weights: Tensor
    magnitudes: list[Tensor] = field(default_factory=list)

    def remember(self, attention: Any, inputs: tuple[Tensor, ...]) -> None:
        votes = attention.per_frequency(inputs[0]).float()
        self.magnitudes.append(votes.abs().mean(dim=(0, 2)).cpu())


@contextmanager
def _recorded(network: MMSNet) -> Iterator[list[_Record]]:
    """Yield the records of all channel attentions, filled by what the network computes meanwhile."""
    records, handles = [], []
    for stride, guide in zip(_STRIDES, network.guide, strict=True):
        for part in guide.modules():
            if isinstance(part, Guidance) and isinstance(part.channel, FrequencyChannelAttention):
                record = _Record(stride, part.scale, part.channel.weight.float().softmax(0).cpu())
                handles.append(part.channel.register_forward_pre_hook(record.remember))
                records.append(record)
    try:
        yield records
    finally:
        for handle in handles:
            handle.remove()


def _votes(record: _Record, extent: tuple[int, int], spacing: tuple[float, float]) -> list[CoefficientVote]:
    parts = record.weights * torch.stack(record.magnitudes).mean(0)
    parts = parts / parts.sum().clamp_min(torch.finfo(parts.dtype).tiny)
    # Coefficient u has u half waves over what the network sees.
    step = [1 / (2 * length * pixel) for length, pixel in zip(extent, spacing, strict=True)]
    return [
        CoefficientVote(record.stride, record.scale, (u, v), (u * step[0], v * step[1]), weight, share)
        for (u, v), weight, share in zip(TOP_FREQUENCIES, record.weights.tolist(), parts.tolist(), strict=False)
    ]


def _prompt_bands(plane: ModelPlane, prompt: FrequencyPrompt | None, images: Tensor) -> list[PromptBand]:
    if prompt is None or prompt.subbands is None:
        return []
    device = prompt.subbands.weight.device
    _, stack = prompt.frequencies(images.to(device))
    if stack is None:
        return []
    luminance = images.to(device).mean(dim=1, keepdim=True)
    contourlet = prompt.contourlet
    held = energies(contourlet.split(contourlet(luminance)))
    norms = prompt.subbands.weight.float().flatten(1).norm(dim=0).cpu()
    added = norms * stack.float().square().mean(dim=(0, 2, 3)).sqrt().cpu()
    order = {key: i for i, key in enumerate(stacked_keys(contourlet.levels))}
    return [
        PromptBand(
            band,
            in_units(contourlet, band, plane.spacing),
            held[band.key],
            float(norms[order[band.key]] / norms.sum()),
            float(added[order[band.key]] / added.sum()) if added.sum() > 0 else 0.0,
        )
        for band in contourlet.layout()
        if band.key in order
    ]


def stacked_keys(levels: Sequence[int]) -> list[BandKey]:
    """Return the bands in the order in which the prompt stacks them: of each scale the vertical half first, falling."""
    keys = []
    for scale, level in enumerate(levels, start=1):
        half = 2**level // 2
        keys += [BandKey(scale, direction) for direction in range(2**level - 1, half - 1, -1)]
        keys += [BandKey(scale, direction) for direction in range(half)]
    return keys
