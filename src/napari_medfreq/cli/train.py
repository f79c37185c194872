"""``napari-medfreq train``, ``export`` and ``evaluate``."""

from __future__ import annotations

import enum
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_medfreq.cli import console
from napari_medfreq.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_medfreq.io.models import ModelFolder
    from napari_medfreq.train.evaluate import Evaluation, Prediction
    from napari_medfreq.volume import Volume


class Split(enum.StrEnum):
    """A part of the cases, divided by group."""

    all = "all"
    train = "train"
    validation = "validation"
    test = "test"


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(train)
    app.command()(export)
    app.command()(evaluate)


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The training config, a TOML file.")],
    run: Annotated[Path, typer.Option("--run", help="The run folder; a run that is there is resumed.")],
    data: Annotated[
        Path, typer.Option("--data", envvar="MEDFREQ_DATA", help="The folder that the config's source lies in.")
    ] = Path("."),
    accelerator: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Train a network; Ctrl+C saves a checkpoint, and the same command goes on from it."""
    from napari_medfreq.engine.device import tune_allocator
    from napari_medfreq.train.loop import Report
    from napari_medfreq.train.loop import train as run_training

    tune_allocator()
    asked: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    err = console.err()
    with console.progress_bar(err) as bar:
        task = bar.add_task("training", total=None)

        def report(state: Report) -> None:
            text = "  ".join(f"{name} {value:.3g}" for name, value in state.values.items())
            bar.update(task, completed=state.samples, total=state.total, description=text)
            if "mean" in state.values:
                err.print(f"{state.samples:>8} images  validation Dice: {text}", markup=False)

        run_training(config, run, data, accelerator=accelerator, report=report, stop=lambda: bool(asked))
    err.print(f"{'Stopped; resume with the same command' if asked else 'Done'}: {run}", markup=False)


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The model folder to write.")],
    checkpoint: Annotated[str, typer.Option(help="best (on the validation cases) or final.")] = "best",
) -> None:
    """Turn a run's averaged weights into a model folder."""
    from napari_medfreq.train.export import export_run

    model = export_run(run, output, checkpoint)
    console.err().print(f"{model.path}: {model.title}, version {model.version}, {model.sha256[:12]}…", markup=False)


def evaluate(
    index: Annotated[Path, typer.Option("--index", help="An index file, or a folder with images and masks.")],
    model: Annotated[str | None, typer.Option("-m", "--model", help="The name of a model, or its folder.")] = None,
    run: Annotated[Path | None, typer.Option("--run", help="Instead of a model: a run, its best checkpoint.")] = None,
    split: Annotated[Split, typer.Option(help="Which cases, divided by group.")] = Split.all,
    device: Annotated[str, typer.Option(help="auto, cpu, mps, cuda or cuda:N.")] = "auto",
    into_card: Annotated[bool, typer.Option("--into-card", help="Write the figures into the model's card.")] = False,
    per_case: Annotated[Path | None, typer.Option("--per-case", help="Write the figures of each image as CSV.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Compare a model's masks with the truth, on the images' own grid."""
    from napari_medfreq.train.cases import read_cases, split_cases
    from napari_medfreq.train.evaluate import evaluate as compare

    if (model is None) == (run is None):
        raise DatasetError("Give either a model (--model) or a run (--run) to evaluate.")
    if not index.exists():
        raise DatasetError(f"{index}: there is no such index file or folder.")
    folder, spec, labels, predict = _of_run(run) if run else _of_model(str(model), device)
    cases = read_cases(index)
    if split is not Split.all:
        cases = split_cases(cases)[split.value]
    err = console.err()
    with console.progress_bar(err) as bar:
        task = bar.add_task("evaluating", total=len(cases))
        found = compare(
            cases,
            predict,
            labels,
            modalities=spec.modalities,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    for reason, count in found.skipped.items():
        err.print(f"skipped {count} cases of {reason}", markup=False)
    if per_case is not None:
        _write_cases(per_case, found)
    if into_card and folder is not None:
        _write_card(folder, found)
    _show(found, as_json)


def _of_model(name: str, device: str) -> tuple[ModelFolder, Any, Any, Callable[[Volume], Prediction]]:
    import numpy as np

    from napari_medfreq.engine.options import SegmentOptions
    from napari_medfreq.io.models import open_model
    from napari_medfreq.jobs.inline import InlineExecutor
    from napari_medfreq.jobs.messages import SegmentRequest
    from napari_medfreq.train.evaluate import Prediction

    folder = open_model(name)
    executor, options = InlineExecutor(), SegmentOptions(device=device)

    def predict(image: Volume) -> Prediction:
        result = executor.submit(SegmentRequest(image, str(folder.path), options), lambda _: None).result()
        return Prediction(np.asarray(result.labels.data), np.asarray(result.probability.data))

    return folder, folder.input, folder.labels, predict


def _of_run(run: Path) -> tuple[None, Any, Any, Callable[[Volume], Prediction]]:
    from napari_medfreq.train.evaluate import network_predictor
    from napari_medfreq.train.export import load_run

    config, network = load_run(run)
    return None, config.input, config.labels, network_predictor(network, config.input)


def _write_card(folder: ModelFolder, found: Evaluation) -> None:
    from napari_medfreq.io.models import write_model

    metrics = found.to_dict()["datasets"]
    write_model(replace(folder, card=replace(folder.card, metrics=metrics)), folder.weights.read_bytes())


def _write_cases(path: Path, found: Evaluation) -> None:
    import pandas as pd

    rows = [
        {"dataset": name, "id": case, "label": label, "dice": o.dice, "iou": o.iou, "mae": o.mae}
        for name, scores in sorted(found.datasets.items())
        for case, label, o in scores.cases
    ]
    pd.DataFrame(rows).round(4).to_csv(path, index=False)


def _show(found: Evaluation, as_json: bool) -> None:
    values = found.to_dict()
    if as_json:
        console.print_json(values)
        return
    from rich.table import Table

    table = Table("set", "images", "Dice", "IoU", "MAE")
    for name, row in values["datasets"].items():
        figures = (f"{row[key]:.3f}" if key in row else "-" for key in ("dice", "iou", "mae"))
        table.add_row(name, str(row["n"]), *figures)
    console.out().print(table)
