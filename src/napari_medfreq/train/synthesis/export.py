"""From a run of a synthesis network to a model folder, its baselines beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from napari_medfreq.errors import DatasetError, ModelError
from napari_medfreq.io.cards import Card
from napari_medfreq.io.models import InputSpec, ModelFolder, write_model
from napari_medfreq.nn.aegan import AEGANConfig, Synthesis
from napari_medfreq.nn.aegan_inputs import RULE
from napari_medfreq.train import runs
from napari_medfreq.train.export import halved
from napari_medfreq.train.synthesis.baselines import Baselines, UNetSynthesis
from napari_medfreq.train.synthesis.config import SynthesisConfig, read_config
from napari_medfreq.train.synthesis.loop import BASELINES, build_pair

if TYPE_CHECKING:
    from pathlib import Path

BESIDE = "baselines.safetensors"
_UNET = "unet."


def load_run(folder: Path) -> tuple[SynthesisConfig, Synthesis | UNetSynthesis]:
    """Return the config and the averaged network of a run, as it was at the run's end.

    Raises
    ------
    DatasetError
        If the run has not ended.
    """
    config = read_config(folder / runs.CONFIG)
    saved = runs.load_checkpoint(folder, "final")
    if saved is None:
        raise DatasetError(f"{folder}: the run has not ended yet; the same train command goes on with it.")
    network = build_pair(config).synthesis
    network.load_state_dict(saved["average"])
    return config, network.eval()


def load_fitted(folder: Path) -> Baselines:
    """Return the baselines that were fitted when the run began.

    Raises
    ------
    DatasetError
        If they are missing or damaged.
    """
    try:
        with np.load(folder / BASELINES) as kept:
            return Baselines(kept["weights"], kept["offsets"], kept["quantiles"])
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(f"{folder / BASELINES} is missing or damaged; the train command writes it anew.") from error


def export_run(folder: Path, target: Path, baseline: Path | None = None) -> ModelFolder:
    """Write the model of a run to the folder `target`, weights in float16.

    Parameters
    ----------
    folder : pathlib.Path
        The run.
    target : pathlib.Path
        The model folder.
    baseline : pathlib.Path, optional
        The run of the U-Net that the model is compared with; its network is kept beside the model's.

    Raises
    ------
    DatasetError
        If a run has not ended, or the runs are not of these kinds.
    FileError
        If the folder cannot be written.
    """
    config, network = load_run(folder)
    if isinstance(network, UNetSynthesis):
        raise DatasetError(f"{folder} trains the baseline {config.architecture}, which is no model to ship.")
    unet = None
    if baseline is not None:
        other, found = load_run(baseline)
        if not isinstance(found, UNetSynthesis) or other.sizes().contrasts != network.config.contrasts:
            raise DatasetError(f"{baseline} is not the run of a U-Net for the same contrasts.")
        unet = found
    card = Card(
        title=config.title,
        summary=config.card.summary,
        licence=config.card.licence,
        intended_use=config.card.intended_use,
        not_for=config.card.not_for,
        data=config.card.data,
        text=_story(config),
    )
    size = max(stage.size for stage in config.stages)
    model = ModelFolder(
        path=target,
        name=config.name,
        title=config.title,
        version=config.version,
        task="the missing one of several MR contrasts",
        network=network.config.to_dict(),
        input=InputSpec(network.config.contrasts, network.config.slices, size, normalisation="percentile"),
        labels=(),
        card=card,
        kind="synthesis",
    )
    return write_model(model, save(halved(network.state_dict())), {BESIDE: baselines_file(load_fitted(folder), unet)})


def baselines_file(fitted: Baselines, unet: UNetSynthesis | None) -> bytes:
    """Return the content of the file that lies beside a model's weights; the U-Net in float16."""
    kept = {
        "linear.weights": torch.from_numpy(fitted.weights),
        "linear.offsets": torch.from_numpy(fitted.offsets),
        "histogram.quantiles": torch.from_numpy(fitted.quantiles),
    }
    if unet is not None:
        kept |= {_UNET + name: tensor for name, tensor in halved(unet.state_dict()).items()}
    return save(kept)


def load_baselines(model: ModelFolder) -> tuple[Baselines, UNetSynthesis | None] | None:
    """Return the baselines that lie beside a model's weights, or None where there are none.

    Raises
    ------
    ModelError
        If they are damaged.
    """
    path = model.path / BESIDE
    if not path.is_file():
        return None
    try:
        state = load_file(path)
        names = ("linear.weights", "linear.offsets", "histogram.quantiles")
        fitted = Baselines(*(state.pop(name).float().numpy() for name in names))
        network = _unet(model, {name.removeprefix(_UNET): tensor for name, tensor in state.items()})
    except (SafetensorError, OSError, KeyError, RuntimeError) as error:
        raise ModelError(f"{path} cannot be read: {error}. Fetch the model again.") from error
    return fitted, network


def _unet(model: ModelFolder, state: dict[str, Any]) -> UNetSynthesis | None:
    if not state:
        return None
    network = UNetSynthesis(AEGANConfig.from_dict(model.network))
    network.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in state.items()})
    return network.eval()


def _story(config: SynthesisConfig) -> str:
    stages = ", then ".join(f"{stage.samples:,} crops of {stage.size} pixels" for stage in config.stages)
    sizes = config.sizes()
    return (
        f"# {config.title}\n\n"
        f"AE-GAN of width {sizes.width} with {sizes.slices} neighbouring planes of each input, trained on {stages}; "
        f"seed {config.seed}. The weights are an exponential moving average (decay {config.ema}) at the end of the "
        "run; with so few persons none were spared for validation, and nothing was chosen by the figures.\n\n"
        f"Intensities: {RULE}. Exactly one contrast may be missing."
    )
