"""From a run to a model folder."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from safetensors.torch import save

from napari_medfreq.errors import DatasetError
from napari_medfreq.io.cards import Card
from napari_medfreq.io.models import ModelFolder, write_model
from napari_medfreq.train import runs
from napari_medfreq.train.config import TrainConfig, read_config
from napari_medfreq.train.networks import UNetBaseline, build_network

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from napari_medfreq.nn.mmsnet import MMSNet, MMSNetConfig


def load_run(folder: Path, checkpoint: runs.Averaged = "best") -> tuple[TrainConfig, MMSNet | UNetBaseline]:
    """Return the config and the averaged network of a run.

    Parameters
    ----------
    folder : pathlib.Path
        The run folder.
    checkpoint : {"best", "final"}
        Which weights: best on the validation cases, or the last ones.

    Raises
    ------
    DatasetError
        If the run has no such checkpoint yet.
    """
    if checkpoint not in get_args(runs.Averaged):
        raise DatasetError(f"the checkpoint must be {' or '.join(get_args(runs.Averaged))}, not {checkpoint!r}.")
    config = read_config(folder / runs.CONFIG)
    saved = runs.load_checkpoint(folder, checkpoint)
    if saved is None:
        raise DatasetError(f"{folder}: the run has no checkpoint '{checkpoint}' yet; let it train on.")
    network = build_network(replace(config, start=""))  # the model that it started from may be gone
    network.load_state_dict(saved["average"])
    return config, network.eval()


def export_run(folder: Path, target: Path, checkpoint: runs.Averaged = "best") -> ModelFolder:
    """Write the model of a run to the folder `target`, weights in float16.

    Raises
    ------
    DatasetError
        If the run has no checkpoint yet, or trains a baseline, which is no model to ship.
    FileError
        If the folder cannot be written.
    """
    config, network = load_run(folder, checkpoint)
    if isinstance(network, UNetBaseline):
        raise DatasetError(f"{folder} trains the baseline {config.architecture}, which is no model to ship.")
    card = Card(
        title=config.title,
        summary=config.card.summary,
        licence=config.card.licence,
        intended_use=config.card.intended_use,
        not_for=config.card.not_for,
        data=config.card.data,
        text=_story(config, network.config),
    )
    model = ModelFolder(
        path=target,
        name=config.name,
        title=config.title,
        version=config.version,
        task=config.task,
        network=network.config.to_dict(),
        input=config.input,
        labels=config.labels,
        card=card,
    )
    return write_model(model, save(halved(network.state_dict())))


def halved(state: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return the weights in float16, as models are shipped."""
    return {
        name: tensor.half().contiguous() if tensor.is_floating_point() else tensor.contiguous()
        for name, tensor in state.items()
    }


def _story(config: TrainConfig, network: MMSNetConfig) -> str:
    stages = ", then ".join(f"{stage.samples:,} images of {stage.size} pixels" for stage in config.stages)
    start = f"the weights of an earlier {config.start}" if config.start else "random weights"
    return (
        f"# {config.title}\n\n"
        f"MMSNet with a MiT-{network.backbone.upper()} encoder, trained from {start} on {stages}; "
        f"seed {config.seed}. The weights are an exponential moving average (decay {config.ema}).\n\n"
        "The split is by person, case or endoscopy sequence; the figures above were measured on test cases that were "
        "used neither for training nor for choosing anything."
    )
