"""The training loop of synthesis networks: two networks and two optimisers, in the run folder of all other runs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from napari_medfreq.io.atomic import replacing
from napari_medfreq.nn.aegan import Autoencoder, Synthesis
from napari_medfreq.nn.aegan_losses import autoencoder_loss, self_representation, taken_for
from napari_medfreq.train import runs
from napari_medfreq.train.config import OptimiserConfig
from napari_medfreq.train.loop import Clock, Report, State
from napari_medfreq.train.optimiser import moving_average, set_rate
from napari_medfreq.train.synthesis.baselines import Baselines, UNetSynthesis, fit
from napari_medfreq.train.synthesis.config import SynthesisConfig, read_config
from napari_medfreq.train.synthesis.persons import Split, Study, load_study, read_persons, split_persons
from napari_medfreq.train.synthesis.samples import SynthesisSamples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BASELINES = "baselines.npz"
_LOG_EVERY = 10  # steps


def train(
    config_file: Path,
    folder: Path,
    data_root: Path,
    *,
    accelerator: str = "auto",
    report: Callable[[Report], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Path:
    """Train, or go on from the last checkpoint of `folder`.

    Parameters
    ----------
    config_file : pathlib.Path
        See `config.SynthesisConfig`.
    folder : pathlib.Path
        The run folder; made if needed. Besides what every run has it holds ``baselines.npz``.
    data_root : pathlib.Path
        What the config's data source is relative to.
    accelerator : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    report : callable, optional
        Called after every few steps.
    stop : callable
        Asked after each step; True ends the run with a checkpoint, to be resumed later.

    Returns
    -------
    pathlib.Path
        `folder`.

    Raises
    ------
    DatasetError
        If the config, the data or the run folder do not fit each other; the message names the file.
    FileError
        If the run folder cannot be written.
    """
    config = read_config(config_file)
    contrasts = config.sizes().contrasts
    split = persons_of(config, data_root)
    studies = [load_study(person, contrasts) for person in split.train]
    runs.open_run(folder, config_file)
    fabric = Fabric(accelerator=accelerator, devices=1, precision=config.precision)
    fabric.seed_everything(config.seed, verbose=False)
    baselines = fit(studies, contrasts)
    save_baselines(folder, baselines)
    pair = build_pair(config, baselines)
    run = _Run.start(config, folder, fabric, pair, report or (lambda _: None), stop)
    names = {"train": [p.name for p in split.train], "test": [p.name for p in split.test]}
    runs.append_event(folder, "start", samples=run.state.samples, total=config.samples, persons=names)
    for number, stage_end in enumerate(accumulate(stage.samples for stage in config.stages)):
        if run.state.samples < stage_end and not run.stopped:
            run.stage(number, stage_end, studies)
    runs.append_event(folder, "stop" if run.stopped else "end", samples=run.state.samples)
    return folder


def persons_of(config: SynthesisConfig, data_root: Path) -> Split:
    """Return who teaches and who tests in the run of `config`."""
    place = data_root / config.data.source
    persons = read_persons(place, config.sizes().contrasts)
    return split_persons(persons, config.data.strata, config.data.held_out, place.name)


class Pair(nn.Module):
    """The network that is trained for use, and the autoencoder that teaches it (None: nothing but the difference)."""

    def __init__(self, synthesis: Synthesis | UNetSynthesis, autoencoder: Autoencoder | None) -> None:
        super().__init__()
        self.synthesis = synthesis
        self.autoencoder = autoencoder


def build_pair(config: SynthesisConfig, baselines: Baselines | None = None) -> Pair:
    """Return the networks of a run with random weights; a shortcut starts as the regression of `baselines`."""
    sizes = config.sizes()
    if config.architecture == "monai-unet":
        return Pair(UNetSynthesis(sizes), None)
    synthesis = Synthesis(sizes)
    if sizes.shortcut and baselines is not None:
        synthesis.start_from(*baselines.in_signed_units())
    return Pair(synthesis, Autoencoder(sizes) if config.losses.with_autoencoder else None)


def save_baselines(folder: Path, baselines: Baselines) -> None:
    """Write the fitted baselines into the run folder, whole or not at all."""
    with replacing(folder / BASELINES) as scratch, scratch.open("wb") as file:
        np.savez(file, weights=baselines.weights, offsets=baselines.offsets, quantiles=baselines.quantiles)


@dataclass
class _Run:
    config: SynthesisConfig
    folder: Path
    fabric: Fabric
    synthesis: Any
    autoencoder: Any
    state: State
    report: Callable[[Report], None]
    stop: Callable[[], bool]
    stopped: bool = False

    @classmethod
    def start(
        cls,
        config: SynthesisConfig,
        folder: Path,
        fabric: Fabric,
        pair: Pair,
        report: Callable[[Report], None],
        stop: Callable[[], bool],
    ) -> _Run:
        """Set the networks up, and load the last checkpoint where there is one."""
        pair.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
        average = AveragedModel(pair.synthesis, multi_avg_fn=moving_average(config.ema), use_buffers=True)
        rates = [config.optimiser.rate, config.optimiser.autoencoder_rate]
        networks = [pair.synthesis, *([] if pair.autoencoder is None else [pair.autoencoder])]
        optimisers = [_adam(network, rate, config) for network, rate in zip(networks, rates, strict=False)]
        state = State(pair, average, optimisers)
        if (saved := runs.load_checkpoint(folder, "last")) is not None:
            state.load(saved)
        wrapped = [fabric.setup(n, o)[0] for n, o in zip(networks, optimisers, strict=True)]
        if isinstance(pair.synthesis, Synthesis):
            wrapped[0].mark_forward_method("with_features")
        if len(wrapped) > 1:
            wrapped[1].mark_forward_method("discriminate")
        average.to(fabric.device)
        return cls(config, folder, fabric, wrapped[0], wrapped[1] if len(wrapped) > 1 else None, state, report, stop)

    def stage(self, number: int, end: int, studies: list[Study]) -> None:
        """Train on the samples up to number `end`."""
        config, stage, sizes = self.config, self.config.stages[number], self.config.sizes()
        samples = SynthesisSamples(studies, sizes.contrasts, sizes.slices, stage.size, config.variation, config.seed)
        loader = DataLoader(
            samples,
            batch_size=stage.batch,
            sampler=range(self.state.samples, end),
            num_workers=config.workers,
            persistent_workers=config.workers > 0,
            multiprocessing_context="spawn" if config.workers else None,
            generator=torch.Generator(),  # not the one of dropout: a resumed run would differ
        )
        clock, sums = Clock(), _Sums()
        for step, (inputs, targets, truth) in enumerate(loader):
            clock.loaded()
            losses = self.step(inputs.to(self.fabric.device), targets.to(self.fabric.device), truth)
            sums.add(losses)
            self.state.samples = min(self.state.samples + len(inputs), end)
            clock.stepped(len(inputs), losses["loss"])
            if step % _LOG_EVERY == _LOG_EVERY - 1:
                self.tell("step", {**clock.summary(), **sums.summary()})
            self.stopped = self.stop()
            if self.stopped or self.state.samples >= end or self.state.samples % config.checkpoint_every < stage.batch:
                self.checkpoint(final=self.state.samples >= config.samples)
            if self.stopped:
                return

    def step(self, inputs: Tensor, targets: Tensor, truth: Tensor) -> dict[str, float]:
        """Take one step of the autoencoder, then one of the synthesis network; return the losses."""
        state, config = self.state, self.config
        schedule = OptimiserConfig(warmup=config.optimiser.warmup)
        set_rate(state.optimisers, schedule, state.samples / config.samples)
        state.network.train()
        truth = truth.to(self.fabric.device)
        if self.autoencoder is None:
            made = self.synthesis(inputs, targets)
            loss = config.losses.reconstruction * functional.l1_loss(made, truth)
            values = {"difference": float(functional.l1_loss(made.detach(), truth))}
        else:
            made, features = self.synthesis.with_features(inputs, targets)
            taught, learned = self._teach(made.detach(), truth)
            loss, values = self._synthesis_loss(made, features, learned, truth)
            values["autoencoder"] = taught
        self.fabric.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.synthesis.parameters(), config.optimiser.clip)
        _advance(state.optimisers[0])
        for optimiser in state.optimisers[1:]:
            optimiser.zero_grad()  # what flowed through the discriminator is for the synthesis network
        state.average.update_parameters(self.synthesis)
        return {"loss": float(loss.detach()), **values}

    def _teach(self, made: Tensor, truth: Tensor) -> tuple[float, tuple[Tensor, ...]]:
        """Take a step of the autoencoder; return its loss and its features of the truth."""
        real, reconstruction, learned = self.autoencoder(truth)
        # One pass for both: each sample has norms of its own.
        both = self.autoencoder.discriminate(torch.cat([made, reconstruction.detach()]))
        weight = self.config.losses.reconstruction
        loss = autoencoder_loss(real, both, truth, reconstruction, weight)
        self.fabric.backward(loss)
        _advance(self.state.optimisers[1])
        return float(loss.detach()), tuple(level.detach() for level in learned)

    def _synthesis_loss(
        self, made: Tensor, features: tuple[Tensor, ...], learned: tuple[Tensor, ...], truth: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        weights = self.config.losses
        difference = functional.l1_loss(made, truth)
        loss, values = weights.reconstruction * difference, {"difference": float(difference.detach())}
        if weights.adversarial:
            fooling = taken_for(self.autoencoder.discriminate(made), real=True)
            loss, values["adversarial"] = loss + weights.adversarial * fooling, float(fooling.detach())
        if weights.self_representation:
            apart = self_representation(learned, features)
            loss, values["self_representation"] = loss + weights.self_representation * apart, float(apart.detach())
        return loss, values

    def checkpoint(self, *, final: bool) -> None:
        """Save; there are too few persons to keep some for validation, so nothing is chosen: the end counts."""
        if final:
            runs.save_checkpoint(self.folder, "final", {"average": self.state.average.module.state_dict()})
        runs.save_checkpoint(self.folder, "last", self.state.to_dict())

    def tell(self, kind: str, values: dict[str, float]) -> None:
        runs.append_event(self.folder, kind, samples=self.state.samples, **values)
        self.report(Report(self.state.samples, self.config.samples, values))


class _Sums:
    """Means of the parts of the loss since the last summary."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}

    def add(self, losses: dict[str, float]) -> None:
        for name, value in losses.items():
            if name != "loss":
                self.values.setdefault(name, []).append(value)

    def summary(self) -> dict[str, float]:
        means = {name: float(np.mean(values)) for name, values in self.values.items()}
        self.values.clear()
        return means


def _adam(network: nn.Module, rate: float, config: SynthesisConfig) -> torch.optim.Optimizer:
    optimiser = torch.optim.Adam(network.parameters(), lr=rate, betas=(config.optimiser.beta1, 0.999))
    for group in optimiser.param_groups:
        group["base"] = group["lr"]
    return optimiser


def _advance(optimiser: torch.optim.Optimizer) -> None:
    optimiser.step()
    optimiser.zero_grad()
