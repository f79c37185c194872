"""The steps by which a model learns from corrections: adapters, prompt, decoder and heads move, the encoder stays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, Dataset

from napari_medfreq.errors import DatasetError
from napari_medfreq.train import runs
from napari_medfreq.train.config import AugmentConfig, OptimiserConfig
from napari_medfreq.train.loop import Clock, Report, State
from napari_medfreq.train.losses import supervision_loss
from napari_medfreq.train.optimiser import build_optimisers, moving_average, set_rate
from napari_medfreq.train.samples import Samples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lightning.fabric import Fabric

    from napari_medfreq.nn.mmsnet import MMSNet
    from napari_medfreq.train.packing import Packed

_LOG_EVERY = 5
_SAVE_EVERY = 25


@dataclass(frozen=True)
class LearnConfig:
    """How to learn from corrections.

    Parameters
    ----------
    steps, batch : int
        Steps, and images in each; with earlier data half of them are from there.
    rate : float
        Peak of AdamW's learning rate.
    anchor : float
        Weight of the squared distance to the old weights (L2-SP: Li et al., ICML 2018); only where no earlier data
        are at hand.
    ema : float
        Decay of the averaged weights, which are what is kept.
    seed : int
        Of the order of the images, their changes and dropout.

    Raises
    ------
    DatasetError
        If there is nothing to do.
    """

    steps: int = 100
    batch: int = 16
    rate: float = 1e-3
    anchor: float = 0.01
    ema: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 2 or not self.rate > 0:
            raise DatasetError(
                f"learning needs at least one step, two images a step and a rate above 0, not {self.steps}, "
                f"{self.batch} and {self.rate}."
            )


class Mixed(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Samples of corrections and, at every other number, of earlier data."""

    def __init__(self, corrections: Samples, earlier: Samples | None) -> None:
        self.parts = [corrections] if earlier is None else [corrections, earlier]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return image and labels of sample `number` of the run."""
        turn, part = divmod(number, len(self.parts))
        return self.parts[part][turn]


def fine_tune(
    network: MMSNet,
    corrections: Packed,
    earlier: Packed | None,
    config: LearnConfig,
    folder: Path,
    fabric: Fabric,
    report: Callable[[Report], None],
    stop: Callable[[], bool],
) -> dict[str, torch.Tensor] | None:
    """Return the new weights, or None where `stop` asked for the end; then the same call goes on from there.

    Parameters
    ----------
    network : MMSNet
        With the weights to start from; it is changed.
    corrections, earlier : Packed
        What to learn, and what to rehearse.
    config : LearnConfig
        How.
    folder : pathlib.Path
        An open run folder.
    fabric : Fabric
        Where to compute.
    report : callable
        Called after every few steps.
    stop : callable
        Asked after each step.
    """
    network.encoder.requires_grad_(False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    # Decay would pull to zero, and what is learned must stay near the old weights.
    optimiser = OptimiserConfig(rate=config.rate, weight_decay=0.0)
    average = AveragedModel(network, multi_avg_fn=moving_average(config.ema))
    state = State(network, average, build_optimisers(network, optimiser))
    anchor = {n: p.detach().clone().to(fabric.device) for n, p in network.named_parameters() if p.requires_grad}
    if (saved := runs.load_checkpoint(folder, "last")) is not None:
        state.load(saved)
    wrapped, *_ = fabric.setup(network, *state.optimisers)
    wrapped.mark_forward_method("supervise")
    average.to(fabric.device)
    samples = Mixed(
        Samples(corrections, AugmentConfig(), config.seed),
        None if earlier is None else Samples(earlier, AugmentConfig(), config.seed + 1),
    )
    run = _Steps(config, optimiser, fabric, wrapped, state, anchor if earlier is None else {})
    total, clock = config.steps * config.batch, Clock()
    # Else the loader draws from the generator of dropout, and a resumed run would differ.
    loader = DataLoader(
        samples, config.batch, sampler=range(state.samples, total), num_workers=0, generator=torch.Generator()
    )
    for images, labels in loader:
        clock.loaded()
        loss = run.step(images, labels)
        clock.stepped(len(images), loss)
        step = state.samples // config.batch
        if step % _LOG_EVERY == 0:
            values = clock.summary()
            runs.append_event(folder, "step", samples=state.samples, total=total, **values)
            report(Report(state.samples, total, values))
        stopped = stop()
        if stopped or step % _SAVE_EVERY == 0:
            runs.save_checkpoint(folder, "last", state.to_dict())
        if stopped:
            return None
    return {name: tensor.detach().cpu() for name, tensor in average.module.state_dict().items()}


@dataclass
class _Steps:
    config: LearnConfig
    optimiser: OptimiserConfig
    fabric: Fabric
    network: Any
    state: State
    anchor: dict[str, torch.Tensor]

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> float:
        """Take one step and return the loss."""
        state, network = self.state, self.state.network
        set_rate(state.optimisers, self.optimiser, state.samples / (self.config.steps * self.config.batch))
        _training(network)
        images = images.to(self.fabric.device, memory_format=torch.channels_last)
        loss = supervision_loss(self.network.supervise(images), labels.to(self.fabric.device))
        if self.anchor:
            moved = [
                (p - self.anchor[name]).square().sum() for name, p in network.named_parameters() if name in self.anchor
            ]
            loss = loss + self.config.anchor * torch.stack(moved).sum()
        self.fabric.backward(loss)
        torch.nn.utils.clip_grad_norm_([p for p in network.parameters() if p.requires_grad], self.optimiser.clip)
        for optimiser in state.optimisers:
            optimiser.step()
            optimiser.zero_grad()
        state.average.update_parameters(network)
        state.samples += len(images)
        return float(loss.detach())


def _training(network: torch.nn.Module) -> None:
    """Switch dropout on, but neither the encoder's stochastic depth nor new statistics of batch normalisation.

    Statistics that follow a few corrected images would shift what the network sees of all others.
    """
    network.eval()
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout2d):
            module.train()
