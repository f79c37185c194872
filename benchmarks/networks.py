"""Models with random weights for the benchmarks: how long a network takes does not depend on what it has learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 352


def write_model(
    folder: Path, channels: tuple[str, ...], slices: int, size: int, *, decoder_dropout: float = 0.0
) -> Path:
    """Write MMSNet-B0, whole, as a model folder; return it."""
    import torch
    from safetensors.torch import save

    from napari_medfreq.io.cards import Card
    from napari_medfreq.io.models import InputSpec, LabelName, ModelFolder
    from napari_medfreq.io.models import write_model as write
    from napari_medfreq.nn.mmsnet import MMSNet, MMSNetConfig

    torch.manual_seed(0)
    config = MMSNetConfig(in_channels=len(channels) * slices, decoder_dropout=decoder_dropout)
    model = ModelFolder(
        path=folder / "benchmark",
        name="benchmark",
        title="Benchmark",
        version="1",
        task="benchmark",
        network=config.to_dict(),
        input=InputSpec(channels, slices, size),
        labels=(LabelName(1, "noise", "#ffffff"),),
        card=Card("Benchmark", "Random weights.", "CC0", "Benchmarks.", "Anything else."),
    )
    state = {name: tensor.contiguous() for name, tensor in MMSNet(config).state_dict().items()}
    return write(model, save(state)).path


def picture(side: int = SIDE) -> Volume:
    """Return a colour picture of noise, ``side x side``, uint8."""
    data = np.random.default_rng(0).integers(0, 255, (3, side, side), dtype=np.uint8)
    return Volume(data, axes="cyx", channels=("red", "green", "blue"), calibrated=False)


def stack(shape: tuple[int, int, int] = (64, 256, 256)) -> Volume:
    """Return a volume of noise, float32, with thick slices as in a clinical series."""
    data = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    return Volume(data, np.diag([1.0, 1.0, 3.0, 1.0]), axes="zyx")
