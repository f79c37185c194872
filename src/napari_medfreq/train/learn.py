"""A model learns from corrections and becomes a new version, if it is a better one.

A fifth of the corrections is kept out. The network is fine-tuned on the rest (`fine_tuning`), half of each batch from
earlier data where they are at hand; old and new weights are averaged in the share that the held-out fifth asks for
(`blending`); before and after are measured on the held-out fifth and on the test cases of the earlier sets.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w
from lightning.fabric import Fabric
from safetensors.torch import load_file

from napari_medfreq.errors import ModelError
from napari_medfreq.io.atomic import replacing
from napari_medfreq.io.models import verify
from napari_medfreq.nn.mmsnet import MMSNet, MMSNetConfig
from napari_medfreq.train import runs
from napari_medfreq.train.blending import Figure, blended, verdict
from napari_medfreq.train.corrections import fingerprint, pack_corrections, read_corrections
from napari_medfreq.train.fine_tuning import LearnConfig, fine_tune
from napari_medfreq.train.judging import Judge, Material, images_of
from napari_medfreq.train.offspring import Lineage, write_offspring
from napari_medfreq.train.packing import pack
from napari_medfreq.train.rehearsal import read_earlier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_medfreq.io.model_config import ModelFolder
    from napari_medfreq.train.cases import Case
    from napari_medfreq.train.corrections import Corrections
    from napari_medfreq.train.loop import Report
    from napari_medfreq.train.packing import Packed

OUTCOME, MODEL = "outcome.json", "model"


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes
    ----------
    parent, name : str
        The model that learned, and the new one.
    model : str
        Folder of the new model: the one that was asked for if it is better, else in the run folder.
    better : bool
        Whether Dice rose on the held-out corrections and fell by less than 0.01 on each earlier set.
    reasons : tuple of str
        Why not, in sentences.
    held_out : Figure
        On corrections kept out.
    earlier : dict
        On the test cases of each earlier set; empty where none are at hand.
    corrections : int
        Images that were learned from.
    left_out : tuple of str
        Images that could not be used, and why.
    share : float
        Of the new weights in the average.
    seconds, cpu_seconds : float
        What it took, in this process.
    """

    parent: str
    name: str
    model: str
    better: bool
    reasons: tuple[str, ...]
    held_out: Figure
    earlier: Mapping[str, Figure]
    corrections: int
    left_out: tuple[str, ...]
    share: float
    seconds: float
    cpu_seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(replace(self, earlier=dict(self.earlier)))


@dataclass(frozen=True)
class Task:
    """What is to be learned.

    Parameters
    ----------
    source : pathlib.Path
        See `read_corrections`.
    parent : ModelFolder
        The model that made the masks, or any other with their labels.
    target : pathlib.Path
        The folder of the new model; its name is the model's.
    rehearse : sequence of pathlib.Path
        Indexes or folders of earlier data.
    config : LearnConfig
        How.
    """

    source: Path
    parent: ModelFolder
    target: Path
    rehearse: Sequence[Path] = ()
    config: LearnConfig = field(default_factory=LearnConfig)


def learn(
    task: Task,
    run: Callable[[str], Path],
    *,
    accelerator: str = "auto",
    report: Callable[[Report], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> Outcome | None:
    """Learn from corrections, or go on where a run was stopped or killed.

    The new model is written to ``task.target`` only if it is better; if not, it lies in the run folder.

    Parameters
    ----------
    task : Task
        From what, and which model.
    run : callable
        Returns the run folder for a fingerprint of model, corrections and settings.
    accelerator : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    report, say : callable
        Called with steps, and with what is being done.
    stop : callable
        Asked after each step; True ends with a checkpoint.

    Returns
    -------
    Outcome or None
        None if it was stopped.

    Raises
    ------
    DatasetError, FileError, ModelError
        If corrections, earlier data, model or run folder cannot be used.
    """
    began, worked = time.perf_counter(), time.process_time()
    say("reading the corrections")
    corrections = read_corrections(task.source)
    material = _material(corrections, task, say)
    folder = _open_run(task, material, run)
    fabric = Fabric(accelerator=accelerator, devices=1, precision="bf16-mixed")
    fabric.seed_everything(task.config.seed, verbose=False)
    network = load_network(task.parent)
    old = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    judge = Judge(material, deepcopy(network).to(fabric.device), fabric.device)
    images = {"corrections": len(corrections.train), "held_out": len(corrections.held_out)}
    total = task.config.steps * task.config.batch
    runs.append_event(folder, "start", total=total, parent=task.parent.name, name=task.target.name, **images)
    say("measuring the model as it is")
    before = judge.all(old)
    runs.append_event(folder, "before", held_out=before[0], earlier=before[1])
    say("learning")
    new = fine_tune(network, material.learn, material.rehearse, task.config, folder, fabric, report, stop)
    if new is None:
        runs.append_event(folder, "stop")
        return None
    say("choosing between old and new weights")
    share = judge.share(old, new, folder)
    weights = blended(old, new, share)
    say("measuring the new model")
    held_out, earlier = judge.figures(before, judge.all(weights))
    lineage = Lineage(
        parent=task.parent,
        source=task.source.resolve().name,
        corrections=len(corrections.train),
        share=share,
        rehearsed=images_of(material.rehearse),
        held_out=held_out,
        earlier=earlier,
        reasons=tuple(verdict(held_out, earlier)),
    )
    place = folder / MODEL if lineage.reasons else task.target
    write_offspring(place, task.target.name, weights, lineage)
    return _told(
        folder,
        Outcome(
            parent=task.parent.name,
            name=task.target.name,
            model=str(place),
            better=not lineage.reasons,
            reasons=lineage.reasons,
            held_out=held_out,
            earlier=earlier,
            corrections=lineage.corrections,
            left_out=corrections.left_out,
            share=share,
            seconds=round(time.perf_counter() - began, 1),
            cpu_seconds=round(time.process_time() - worked, 1),
        ),
    )


def _told(folder: Path, outcome: Outcome) -> Outcome:
    values = outcome.to_dict()
    with replacing(folder / OUTCOME) as scratch:
        scratch.write_text(json.dumps(values, indent=1), encoding="utf-8")
    runs.append_event(folder, "outcome", **values)
    return outcome


def load_network(model: ModelFolder) -> MMSNet:
    """Return the network of a model folder with its weights, float32.

    Raises
    ------
    ModelError
        If the weights are damaged or do not fit.
    """
    verify(model)
    network = MMSNet(MMSNetConfig.from_dict(model.network))
    try:
        network.load_state_dict({name: tensor.float() for name, tensor in load_file(model.weights).items()})
    except RuntimeError as error:
        raise ModelError(f"{model.weights} does not fit the network that {model.name} describes: {error}") from error
    return network


def _material(corrections: Corrections, task: Task, say: Callable[[str], None]) -> Material:
    parent = task.parent
    learned, held_out = (pack_corrections(part, parent) for part in (corrections.train, corrections.held_out))
    earlier = read_earlier(task.rehearse, parent, corrections)
    if earlier is None:
        return Material(learned, held_out, None, {}, {})
    say("reading earlier data")
    return Material(
        learn=learned,
        held_out=held_out,
        rehearse=pack(earlier.train, parent.input, parent.input.size),
        validation=_by_set(earlier.validation, parent),
        test=_by_set(earlier.test, parent),
    )


def _by_set(cases: list[Case], parent: ModelFolder) -> dict[str, Packed]:
    sets: dict[str, list[Case]] = {}
    for case in cases:
        sets.setdefault(case.dataset, []).append(case)
    return {name: pack(part, parent.input, parent.input.size) for name, part in sorted(sets.items())}


def _open_run(task: Task, material: Material, run: Callable[[str], Path]) -> Path:
    """Return the opened run folder: one for each model, corrections and settings, so that it can be gone on with."""
    parts = [part for part in (material.learn, material.held_out, material.rehearse) if part is not None]
    values = {
        "kind": "learn",
        "parent": task.parent.name,
        "sha256": task.parent.sha256,
        "name": task.target.name,
        "source": str(task.source.resolve()),
        "rehearse": [str(path.resolve()) for path in task.rehearse],
        "data": fingerprint(parts),
        "settings": asdict(task.config),
    }
    text = tomli_w.dumps(values)
    folder = run(hashlib.sha256(text.encode()).hexdigest()[:12])
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / runs.CONFIG
        file.write_text(text, encoding="utf-8")
        runs.open_run(folder, file)
    return folder
