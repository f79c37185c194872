"""``napari-medfreq evaluate-synthesis``: every contrast left out, made from the others, and compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_medfreq.cli import console
from napari_medfreq.cli.segment import Precision

if TYPE_CHECKING:
    from napari_medfreq.io.models import ModelFolder
    from napari_medfreq.train.synthesis.evaluate import Evaluation, Predictor

_TITLES = {"psnr": "PSNR (dB)", "ssim": "SSIM", "mae": "MAE"}


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(name="evaluate-synthesis")(evaluate_synthesis)


def evaluate_synthesis(
    data: Annotated[
        Path, typer.Option("--data", help="A folder with a folder for each person: t1.nii.gz, t1c.nii.gz ...")
    ],
    model: Annotated[str | None, typer.Option("-m", "--model", help="The name of a model, or its folder.")] = None,
    run: Annotated[Path | None, typer.Option("--run", help="Instead of a model: a run that has ended.")] = None,
    persons: Annotated[
        list[str] | None, typer.Option("--person", help="Only the persons of these names; may be repeated.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, mps, cuda or cuda:N.")] = "auto",
    precision: Annotated[Precision, typer.Option(help="What the networks compute in.")] = Precision.auto,
    into_card: Annotated[bool, typer.Option("--into-card", help="Write the figures into the model's card.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Leave out each contrast of each person, make it from the others, and state PSNR, SSIM and MAE in the head.

    The baselines that lie beside the model make the same contrast from the same inputs.
    """
    from napari_medfreq.errors import DatasetError
    from napari_medfreq.train.synthesis.evaluate import evaluate
    from napari_medfreq.train.synthesis.persons import read_persons

    if (model is None) == (run is None):
        raise DatasetError("Give either a model (--model) or a run (--run) to evaluate.")
    if into_card and model is None:
        raise DatasetError("--into-card needs --model: a run has no card.")
    folder, contrasts, methods = _of_run(run, device) if run is not None else _of_model(str(model), device, precision)
    found = read_persons(data, contrasts)
    if persons:
        if absent := sorted(set(persons) - {person.name for person in found}):
            raise DatasetError(f"{data}: there is nobody called {', '.join(absent)}.")
        found = [person for person in found if person.name in persons]
    screen = console.err()
    if "U-Net" not in methods:
        screen.print("No U-Net lies beside the model, so it is missing among the baselines.", style="yellow")
    with console.progress_bar(screen) as bar:
        task = bar.add_task("evaluating", total=None)
        results = evaluate(found, contrasts, methods, lambda done, total: bar.update(task, completed=done, total=total))
    if into_card and folder is not None:
        _write_card(folder, results)
    _show(results, as_json)


def _of_model(
    name: str, device: str, precision: Precision
) -> tuple[ModelFolder | None, tuple[str, ...], dict[str, Predictor]]:
    """Return the model, its contrasts, and what makes them: the model itself first, then what it is compared with."""
    from napari_medfreq.engine.device import pick_device, pick_precision
    from napari_medfreq.engine.synthesis import Synthesizer
    from napari_medfreq.train.synthesis.evaluate import fitted_predictors, network_predictor
    from napari_medfreq.train.synthesis.export import load_baselines

    synthesizer = Synthesizer.open(name)
    place = pick_device(device)
    dtype = pick_precision(precision.value, place)
    methods = {"": network_predictor(synthesizer.network.to(place), dtype)}
    if (beside := load_baselines(synthesizer.folder)) is not None:
        fitted, unet = beside
        methods |= fitted_predictors(fitted)
        if unet is not None:
            methods["U-Net"] = network_predictor(unet.to(place), dtype)
    return synthesizer.folder, synthesizer.network.config.contrasts, methods


def _of_run(run: Path, device: str) -> tuple[ModelFolder | None, tuple[str, ...], dict[str, Predictor]]:
    import torch

    from napari_medfreq.engine.device import pick_device
    from napari_medfreq.train.synthesis.evaluate import fitted_predictors, network_predictor
    from napari_medfreq.train.synthesis.export import load_fitted, load_run

    config, network = load_run(run)
    methods = {"": network_predictor(network.to(pick_device(device)), torch.float32)}
    return None, config.sizes().contrasts, methods | fitted_predictors(load_fitted(run))


def _write_card(folder: ModelFolder, found: Evaluation) -> None:
    """Write the model folder anew, the figures in its card and everything else as it was."""
    from dataclasses import replace

    from napari_medfreq.io.models import write_model
    from napari_medfreq.train.synthesis.export import BESIDE

    said = found.to_dict()
    metrics = {target: _rounded(row) for target, row in said["targets"].items()}
    persons = ", ".join(said["persons"])
    metrics["measured"] = {"persons": persons, "data_range": said["data_range"]}
    beside = {BESIDE: (folder.path / BESIDE).read_bytes()} if (folder.path / BESIDE).is_file() else None
    write_model(replace(folder, card=replace(folder.card, metrics=metrics)), folder.weights.read_bytes(), beside)


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {key: _rounded(value) if isinstance(value, dict) else round(value, 4) for key, value in row.items()}


def _show(found: Evaluation, as_json: bool) -> None:
    values = found.to_dict()
    if as_json:
        console.print_json(values)
        return
    from rich.table import Table

    table = Table("target", "made by", *_TITLES.values())
    for target, row in values["targets"].items():
        for method, figures in {"the model": row, **row["baselines"]}.items():
            cells = [f"{figures[key]:.2f}" if key == "psnr" else f"{figures[key]:.4f}" for key in _TITLES]
            table.add_row(target, method, *cells)
    console.out().print(table)
    console.out().print(f"Data range: {values['data_range']}.", markup=False)
