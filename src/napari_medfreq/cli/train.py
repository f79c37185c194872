"""``napari-medfreq train``, ``export`` and ``evaluate``."""

from __future__ import annotations

import csv
import enum
import signal
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from napari_medfreq.cli import console
from napari_medfreq.cli.segment import Measure, Method
from napari_medfreq.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_medfreq.engine.options import SegmentOptions
    from napari_medfreq.io.models import InputSpec, LabelName, ModelFolder
    from napari_medfreq.train.cases import Case
    from napari_medfreq.train.evaluate import Evaluation, Prediction
    from napari_medfreq.train.loop import Report
    from napari_medfreq.volume import Volume


_FIGURES = {
    "dice": "Dice",
    "iou": "IoU",
    "mae": "MAE",
    "ece": "ECE",
    "ece_before": "uncalibrated",
    "ece_band": "ECE near boundary",
    "error_auroc": "error AUROC",
    "ue_overlap": "U-E overlap",
    "retention": "retention",
    "expected_dice_error": "error of expected Dice",
}


class Split(enum.StrEnum):
    """A part of the cases, divided by group."""

    all = "all"
    train = "train"
    validation = "validation"
    test = "test"


class Checkpoint(enum.StrEnum):
    """Averaged weights of a run."""

    best = "best"
    final = "final"


class Judged(NamedTuple):
    """What is evaluated."""

    spec: InputSpec
    labels: tuple[LabelName, ...]
    predict: Callable[[Volume], Prediction]
    folder: ModelFolder | None


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

    run_training = _training(config)
    tune_allocator()
    err = console.err()
    with interrupts() as asked, console.progress_bar(err) as bar:
        task = bar.add_task("training", total=None)

        def report(state: Report) -> None:
            text = "  ".join(f"{name} {value:.3g}" for name, value in state.values.items())
            bar.update(task, completed=state.samples, total=state.total, description=text)
            if "mean" in state.values:
                err.print(f"{state.samples:>8} images  validation Dice: {text}", markup=False)

        run_training(config, run, data, accelerator=accelerator, report=report, stop=lambda: bool(asked))
    err.print(f"{'Stopped; resume with the same command' if asked else 'Done'}: {run}", markup=False)


def _training(config: Path) -> Callable[..., Path]:
    """Return the loop for what the config trains: a network that segments, or one that makes a contrast."""
    from napari_medfreq.train.synthesis.config import is_synthesis

    if is_synthesis(config):
        from napari_medfreq.train.synthesis.loop import train as loop
    else:
        from napari_medfreq.train.loop import train as loop
    return loop


@contextmanager
def interrupts() -> Iterator[list[int]]:
    """Collect Ctrl+C instead of being stopped by it; the second one stops as ever."""
    asked: list[int] = []

    def note(number: int, _: object) -> None:
        asked.append(number)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The model folder to write.")],
    checkpoint: Annotated[Checkpoint, typer.Option(help="Best on the validation cases, or final.")] = Checkpoint.best,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Of a synthesis run: the run of the U-Net to keep beside it.")
    ] = None,
) -> None:
    """Turn a run's averaged weights into a model folder."""
    from napari_medfreq.train.synthesis.config import is_synthesis

    if is_synthesis(run / "config.toml"):
        from napari_medfreq.train.synthesis.export import export_run as export_synthesis

        model = export_synthesis(run, output, baseline)
    else:
        from napari_medfreq.train.export import export_run

        model = export_run(run, output, checkpoint.value)
    console.err().print(f"{model.path}: {model.title}, version {model.version}, {model.sha256[:12]}…", markup=False)


def evaluate(
    index: Annotated[Path, typer.Option("--index", help="An index file, or a folder with images and masks.")],
    model: Annotated[str | None, typer.Option("-m", "--model", help="The name of a model, or its folder.")] = None,
    run: Annotated[Path | None, typer.Option("--run", help="Instead of a model: a run.")] = None,
    checkpoint: Annotated[
        Checkpoint, typer.Option(help="Of a run: best on the validation cases, or final.")
    ] = Checkpoint.best,
    split: Annotated[Split, typer.Option(help="Which cases, divided by group.")] = Split.all,
    device: Annotated[str, typer.Option(help="auto, cpu, mps, cuda or cuda:N.")] = "auto",
    into_card: Annotated[
        bool, typer.Option("--into-card", help="Write the figures into the model's card (test cases only).")
    ] = False,
    per_case: Annotated[Path | None, typer.Option("--per-case", help="Write the figures of each image as CSV.")] = None,
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Judge probabilities and uncertainty of a model, too.")
    ] = False,
    passes: Annotated[int, typer.Option(min=1, help="Monte Carlo passes, with --uncertainty.")] = 20,
    method: Annotated[Method, typer.Option(help="What differs between the passes.")] = Method.dropout,
    measure: Annotated[Measure, typer.Option(help="What the uncertainty is.")] = Measure.entropy,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Compare a model's masks with the truth, on the images' own grid."""
    from napari_medfreq.engine.options import SegmentOptions
    from napari_medfreq.train.evaluate import evaluate as compare
    from napari_medfreq.train.trust import Trust

    if (model is None) == (run is None):
        raise DatasetError("Give either a model (--model) or a run (--run) to evaluate.")
    if into_card and (model is None or split is not Split.test):
        raise DatasetError(
            "The figures of a model's card come from test cases: --into-card needs --model, --split test."
        )
    if uncertainty and model is None:
        raise DatasetError("Uncertainty comes with a model: export the run, and give --model with --uncertainty.")
    cases = chosen_cases(index, split)
    err = console.err()
    options = SegmentOptions(passes if uncertainty else 0, device=device, method=method.value, measure=measure.value)
    judging = _of_run(run, checkpoint) if run is not None else of_model(str(model), options)
    with judging as judged, console.progress_bar(err) as bar:
        task = bar.add_task("evaluating", total=len(cases))
        calibration = None if judged.folder is None else judged.folder.calibration
        found = compare(
            cases,
            judged.predict,
            judged.labels,
            modalities=judged.spec.modalities,
            judge=(lambda _: Trust(calibration, measure.value)) if uncertainty else None,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    for reason, count in found.skipped.items():
        err.print(f"skipped {count} cases of {reason}", markup=False)
    if per_case is not None:
        _write_cases(per_case, found)
    if into_card and judged.folder is not None:
        _write_card(judged.folder, found)
    _show(found, as_json)


def chosen_cases(index: Path, split: Split) -> list[Case]:
    """Return the cases of an index that belong to a split."""
    from napari_medfreq.train.cases import read_cases, split_cases

    if not index.exists():
        raise DatasetError(f"{index}: there is no such index file or folder.")
    cases = read_cases(index)
    if split is Split.all:
        return cases
    dealt: dict[str, list[Case]] = {str(name): part for name, part in split_cases(cases).items()}
    return dealt[split]


@contextmanager
def of_model(name: str, options: SegmentOptions) -> Iterator[Judged]:
    """Yield what segments as ``napari-medfreq segment`` does."""
    import numpy as np

    from napari_medfreq.io.models import open_model
    from napari_medfreq.jobs.inline import InlineExecutor
    from napari_medfreq.jobs.messages import SegmentRequest
    from napari_medfreq.train.evaluate import Prediction

    folder = open_model(name)
    calibration = folder.calibration if options.calibrated else None
    with InlineExecutor() as executor:

        def predict(image: Volume) -> Prediction:
            result = executor.submit(SegmentRequest(image, str(folder.path), options), lambda _: None).result()
            share = float(np.mean(np.asarray(result.labels.data) > 0))
            temperature = 1.0 if calibration is None else calibration.temperature_for(share)
            uncertainty = None if result.uncertainty is None else np.asarray(result.uncertainty.data)
            arrays = np.asarray(result.labels.data), np.asarray(result.probability.data)
            return Prediction(*arrays, uncertainty, result.expected_dice, temperature)

        yield Judged(folder.input, folder.labels, predict, folder)


@contextmanager
def _of_run(run: Path, checkpoint: Checkpoint) -> Iterator[Judged]:
    """Yield the averaged network of a run that has no model folder."""
    from napari_medfreq.train.evaluate import network_predictor
    from napari_medfreq.train.export import load_run

    config, network = load_run(run, checkpoint.value)
    yield Judged(config.input, config.labels, network_predictor(network, config.input), None)


def _write_card(folder: ModelFolder, found: Evaluation) -> None:
    """Write the model folder anew, the figures in its card and everything else as it was."""
    from napari_medfreq.io.models import write_model

    metrics = found.to_dict()["datasets"]
    for row in metrics.values():
        row.pop("reliability", None)  # for diagrams, not for readers
    write_model(replace(folder, card=replace(folder.card, metrics=metrics)), folder.weights.read_bytes())


def _write_cases(path: Path, found: Evaluation) -> None:
    from napari_medfreq.io.atomic import replacing

    with replacing(path) as scratch, scratch.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("dataset", "id", "label", "dice", "iou", "mae"))
        for name, scores in sorted(found.datasets.items()):
            for case, label, o in scores.cases:
                table.writerow((name, case, label, *(round(value, 4) for value in (o.dice, o.iou, o.mae))))


def _show(found: Evaluation, as_json: bool) -> None:
    values = found.to_dict()
    if as_json:
        console.print_json(values)
        return
    from rich.table import Table

    columns = {key: title for key, title in _FIGURES.items() if any(key in row for row in values["datasets"].values())}
    table = Table("set", "images", *columns.values())
    for name, row in values["datasets"].items():
        table.add_row(name, str(row["n"]), *(f"{row[key]:.3f}" if key in row else "-" for key in columns))
    console.out().print(table)
