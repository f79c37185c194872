"""From a model folder to a network in evaluation mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from napari_medfreq.errors import ModelError
from napari_medfreq.io.models import verify
from napari_medfreq.nn.mmsnet import MMSNet, MMSNetConfig

if TYPE_CHECKING:
    from torch import Tensor

    from napari_medfreq.io.models import ModelFolder


def load_network(folder: ModelFolder) -> MMSNet:
    """Return the network of `folder` with its weights: on the CPU, float32, in evaluation mode.

    Raises
    ------
    ModelError
        If the hash is wrong, or the weights, the network and the labels do not fit each other.
    """
    verify(folder)
    config = _config(folder)
    network = MMSNet(config)
    try:
        state = load_file(folder.weights)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{folder.weights} cannot be read: {error}. Fetch the model again.") from error
    state = {name: t.float() if t.is_floating_point() else t for name, t in state.items()}
    _compare(folder, network.state_dict(), state)
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


def _config(folder: ModelFolder) -> MMSNetConfig:
    try:
        config = MMSNetConfig.from_dict(folder.network)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{folder.path}: the network cannot be built: {error}.") from error
    channels = len(folder.input.channels) * folder.input.slices
    if config.in_channels != channels:
        raise ModelError(
            f"{folder.path}: the network sees {config.in_channels} channels, the input describes {channels} "
            f"({', '.join(folder.input.channels)} in {folder.input.slices} slices)."
        )
    outputs = 1 if config.classes == 1 else config.classes - 1
    if outputs != len(folder.labels):
        raise ModelError(f"{folder.path}: the network finds {outputs} labels, but {len(folder.labels)} are named.")
    return config


def _compare(folder: ModelFolder, own: dict[str, Tensor], state: dict[str, Tensor]) -> None:
    missing = sorted(own.keys() - state.keys())
    unexpected = sorted(state.keys() - own.keys())
    misfits = sorted(name for name in own.keys() & state.keys() if own[name].shape != state[name].shape)
    broken = sorted(name for name in own.keys() & state.keys() if not torch.isfinite(state[name]).all())
    problems = [
        f"{len(names)} {text} (the first is {names[0]})"
        for names, text in (
            (missing, "tensors are missing"),
            (unexpected, "are unknown"),
            (misfits, "have another size"),
            (broken, "hold NaN or infinite values"),
        )
        if names
    ]
    if problems:
        raise ModelError(f"{folder.weights} does not fit the network of its config: {'; '.join(problems)}.")
