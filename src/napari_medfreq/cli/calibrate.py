"""``napari-medfreq calibrate``: learn on validation cases how far a model can be trusted."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from napari_medfreq.cli import console
from napari_medfreq.cli.segment import Measure, Method
from napari_medfreq.cli.train import Split, chosen_cases, of_model
from napari_medfreq.errors import DatasetError


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(calibrate)


def calibrate(
    model: Annotated[str, typer.Option("-m", "--model", help="The name of a model, or its folder.")],
    index: Annotated[Path, typer.Option("--index", help="An index file, or a folder with images and masks.")],
    split: Annotated[Split, typer.Option(help="Which cases, divided by group.")] = Split.validation,
    passes: Annotated[int, typer.Option(min=1, help="Monte Carlo passes.")] = 20,
    method: Annotated[Method, typer.Option(help="What differs between the passes.")] = Method.dropout,
    measure: Annotated[Measure, typer.Option(help="What the uncertainty is.")] = Measure.entropy,
    device: Annotated[str, typer.Option(help="auto, cpu, mps, cuda or cuda:N.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Fit temperature, uncertainty threshold and expected Dice on cases kept out, and write them into the model.

    The weights stay as they are, and so do the masks; test cases are refused, because they must teach nothing.
    """
    from napari_medfreq.engine.options import SegmentOptions
    from napari_medfreq.io.models import write_model
    from napari_medfreq.train.calibration import Lessons
    from napari_medfreq.train.evaluate import evaluate

    if split is Split.test:
        raise DatasetError("A model is not calibrated on test cases, or they could not judge it any more.")
    cases = chosen_cases(index, split)
    options = SegmentOptions(passes, device=device, method=method.value, measure=measure.value, calibrated=False)
    lessons = Lessons()
    with of_model(model, options) as judged, console.progress_bar(console.err()) as bar:
        task = bar.add_task("calibrating", total=len(cases))
        evaluate(
            cases,
            judged.predict,
            judged.labels,
            modalities=judged.spec.modalities,
            judge=lessons.of,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    folder = judged.folder
    calibration = lessons.calibration(method.value, measure.value, passes)
    if folder is not None:
        write_model(replace(folder, calibration=calibration), folder.weights.read_bytes())
    if as_json:
        console.print_json(asdict(calibration))
    else:
        error = "unknown" if calibration.dice_error is None else f"{calibration.dice_error:.3f}"
        console.out().print(
            f"{model}: temperature {calibration.temperature_for(0.1):.3f} for small finds, "
            f"{calibration.temperature_for(0.5):.3f} for large ones; uncertain from "
            f"{calibration.uncertainty_threshold:.2f} on, error of the expected Dice {error}; "
            f"{calibration.cases} validation cases",
            markup=False,
        )
