"""The training loop: stages of samples, an averaged network, checkpoints that a run goes on from."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from napari_medfreq.errors import DatasetError
from napari_medfreq.train import runs
from napari_medfreq.train.cases import read_cases, split_cases
from napari_medfreq.train.config import TrainConfig, read_config
from napari_medfreq.train.losses import supervision_loss
from napari_medfreq.train.metrics import overlap
from napari_medfreq.train.networks import build_network
from napari_medfreq.train.optimiser import build_optimisers, moving_average, set_rate
from napari_medfreq.train.packing import Packed, pack
from napari_medfreq.train.samples import Samples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_medfreq.train.cases import Case, Split

_LOG_EVERY = 10  # steps


@dataclass(frozen=True)
class Report:
    """Where a run stands.

    Attributes
    ----------
    samples, total : int
        Images seen, and of the whole run.
    values : dict
        What was measured: ``loss``, ``images_per_second``, ``waiting`` (share of the time), or validation Dice by set.
    """

    samples: int
    total: int
    values: dict[str, float]


@dataclass
class State:
    """What a checkpoint holds."""

    network: torch.nn.Module
    average: AveragedModel
    optimisers: list[torch.optim.Optimizer]
    samples: int = 0
    best: float = -1.0
    validated: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "samples": self.samples,
            "best": self.best,
            "random": torch.get_rng_state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.samples, self.best = state["samples"], state["best"]
        torch.set_rng_state(state["random"])


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
        See `config.TrainConfig`.
    folder : pathlib.Path
        The run folder; made if needed.
    data_root : pathlib.Path
        What the config's data source is relative to.
    accelerator : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    report : callable, optional
        Called after every few steps and after each validation.
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
    dealt = split_cases(chosen_cases(config, data_root))
    for split in ("train", "validation"):
        if not dealt[split]:
            raise DatasetError(
                f"{config_file}: no case falls to {split}; the data need more groups (persons, sequences)."
            )
    runs.open_run(folder, config_file)
    fabric = Fabric(accelerator=accelerator, devices=1, precision=config.precision)
    fabric.seed_everything(config.seed, verbose=False)
    network = build_network(config)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    average = AveragedModel(network, multi_avg_fn=moving_average(config.ema), use_buffers=True)
    optimisers = build_optimisers(network, config.optimiser)
    state = State(network, average, optimisers)
    if (saved := runs.load_checkpoint(folder, "last")) is not None:
        state.load(saved)
    wrapped, *_ = fabric.setup(network, *optimisers)
    wrapped.mark_forward_method("supervise")
    average.to(fabric.device)
    run = _Run(config, folder, fabric, wrapped, state, report or (lambda _: None), stop)
    runs.append_event(folder, "start", samples=state.samples, total=config.samples, device=str(fabric.device))
    for number, stage_end in enumerate(accumulate(stage.samples for stage in config.stages)):
        if state.samples < stage_end and not run.stopped:
            run.stage(number, stage_end, dealt)
    runs.append_event(folder, "stop" if run.stopped else "end", samples=state.samples, best=state.best)
    return folder


def chosen_cases(config: TrainConfig, data_root: Path) -> list[Case]:
    """Return the cases that the run's config asks for.

    Raises
    ------
    DatasetError
        If the index or folder cannot be read, or lacks a set that the config names.
    """
    cases = read_cases(data_root / config.data.source)
    if absent := sorted(set(config.data.sets) - {case.dataset for case in cases}):
        raise DatasetError(f"{data_root / config.data.source}: there is no set named {', '.join(absent)}.")
    return [case for case in cases if not config.data.sets or case.dataset in config.data.sets]


@dataclass
class _Run:
    config: TrainConfig
    folder: Path
    fabric: Fabric
    network: Any
    state: State
    report: Callable[[Report], None]
    stop: Callable[[], bool]
    stopped: bool = False

    def stage(self, number: int, end: int, dealt: dict[Split, list[Case]]) -> None:
        """Train on the samples up to number `end`."""
        config, stage = self.config, self.config.stages[number]
        packed = pack(dealt["train"], config.input, stage.size, skip_empty=config.data.skip_empty)
        held_out = pack(dealt["validation"], config.input, stage.size, skip_empty=config.data.skip_empty)
        names = [case.dataset for case in dealt["validation"]]
        loader = DataLoader(
            Samples(packed, config.augment, config.seed),
            batch_size=stage.batch,
            sampler=range(self.state.samples, end),
            num_workers=config.workers,
            persistent_workers=config.workers > 0,
            multiprocessing_context="spawn" if config.workers else None,
            # Else it draws from the generator of dropout and stochastic depth, and a resumed run would differ.
            generator=torch.Generator(),
        )
        clock = Clock()
        for step, (images, labels) in enumerate(loader):
            clock.loaded()
            loss = self.step(images, labels)
            self.state.samples = min(self.state.samples + len(images), end)
            clock.stepped(len(images), loss)
            if step % _LOG_EVERY == _LOG_EVERY - 1:
                self.tell("step", clock.summary())
            ended = self.state.samples >= end
            self.stopped = self.stop()
            if ended or self.stopped or self.state.samples % config.checkpoint_every < stage.batch:
                self.checkpoint(held_out, names, final=self.state.samples >= config.samples)
            if self.stopped:
                return

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> float:
        """Take one step and return the loss."""
        state, config = self.state, self.config
        set_rate(state.optimisers, config.optimiser, state.samples / config.samples)
        self.network.train()
        images = images.to(self.fabric.device, memory_format=torch.channels_last)
        labels = labels.to(self.fabric.device)
        loss = supervision_loss(self.network.supervise(images), labels)
        self.fabric.backward(loss)
        torch.nn.utils.clip_grad_norm_(state.network.parameters(), config.optimiser.clip)
        for optimiser in state.optimisers:
            optimiser.step()
            optimiser.zero_grad()
        state.average.update_parameters(state.network)
        return float(loss.detach())

    def checkpoint(self, held_out: Packed, names: list[str], *, final: bool) -> None:
        """Validate the averaged network and save."""
        dice = validate(self.state.average.module, held_out, names, self.fabric.device)
        mean = float(np.mean(list(dice.values())))
        self.tell("validation", {**dice, "mean": mean})
        if mean >= self.state.best:
            self.state.best = mean
            runs.save_checkpoint(self.folder, "best", {"average": self.state.average.module.state_dict()})
        if final:
            runs.save_checkpoint(self.folder, "final", {"average": self.state.average.module.state_dict()})
        runs.save_checkpoint(self.folder, "last", self.state.to_dict())

    def tell(self, kind: str, values: dict[str, float]) -> None:
        runs.append_event(self.folder, kind, samples=self.state.samples, **values)
        self.report(Report(self.state.samples, self.config.samples, values))


class Clock:
    """Loss, throughput and the share of the time that was spent waiting for data, since the last summary."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.start = self.last = time.perf_counter()
        self.waiting, self.images, self.losses = 0.0, 0, list[float]()

    def loaded(self) -> None:
        now = time.perf_counter()
        self.waiting += now - self.last

    def stepped(self, images: int, loss: float) -> None:
        self.last = time.perf_counter()
        self.images += images
        self.losses.append(loss)

    def summary(self) -> dict[str, float]:
        elapsed = max(time.perf_counter() - self.start, 1e-9)
        values = {
            "loss": float(np.mean(self.losses)),
            "images_per_second": self.images / elapsed,
            "waiting": self.waiting / elapsed,
        }
        self.reset()
        return values


@torch.inference_mode()
def validate(network: torch.nn.Module, packed: Packed, names: list[str], device: torch.device) -> dict[str, float]:
    """Return the mean Dice (over labels and samples) of each set, at the packed size.

    Parameters
    ----------
    network : torch.nn.Module
        Returns logits.
    packed : Packed
        Samples that were not trained on.
    names : list of str
        The set of each case.
    device : torch.device
        Where the network is.
    """
    network.eval()
    found: dict[str, list[float]] = {}
    for start in range(0, len(packed.images), 16):
        batch = torch.from_numpy(packed.images[start : start + 16].astype(np.float32) / 255).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            logits = network(batch.contiguous(memory_format=torch.channels_last)).float()
        labels = (logits[:, 0] > 0).long() if logits.shape[1] == 1 else logits.argmax(1)
        for offset, mask in enumerate(labels.cpu().numpy()):
            truth = packed.masks[start + offset]
            truth = truth > 0 if logits.shape[1] == 1 else truth
            for value in range(1, max(logits.shape[1], 2)):
                one, other = mask == value, truth == value
                if one.any() or other.any():
                    name = names[packed.case[start + offset]]
                    found.setdefault(name, []).append(overlap(one, one, other).dice)
    return {name: float(np.mean(values)) for name, values in found.items()}
