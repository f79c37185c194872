"""``napari-medfreq learn``: a new version of a model from what was corrected."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import platformdirs
import typer

from napari_medfreq.cli import console
from napari_medfreq.cli.train import interrupts

SAYS = "learn: "
"""How lines on stderr begin that say what is being done, where no progress bar is drawn."""
FOLDER = "run folder "
"""How the one among them goes on that names the run folder."""

if TYPE_CHECKING:
    from napari_medfreq.train.learn import Outcome
    from napari_medfreq.train.loop import Report


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(learn)


def learn(
    source: Annotated[
        Path,
        typer.Argument(metavar="REVIEW", help="A review folder, an index file, or a folder with images and masks."),
    ],
    model: Annotated[str, typer.Option("-m", "--model", help="The name of the model that learns, or its folder.")],
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", help="Name of the new model, or a folder for it.  [default: MODEL-review1]"),
    ] = None,
    rehearse: Annotated[
        list[Path] | None,
        typer.Option("--rehearse", help="Index or folder that the model was trained with, so that it forgets nothing."),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps of 16 images.")] = 100,
    rate: Annotated[float, typer.Option(help="Learning rate at its peak.")] = 1e-3,
    seed: Annotated[int, typer.Option(help="Of the order of the images and of their changes.")] = 0,
    run: Annotated[
        Path | None, typer.Option("--run", help="The run folder.  [default: one in the user's folder]")
    ] = None,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Fine-tune a model on corrected cases; it becomes a new version only if it does better on those kept out.

    Ctrl+C saves a checkpoint, and the same command goes on from it.
    """
    from napari_medfreq.engine.device import tune_allocator
    from napari_medfreq.io.models import open_model
    from napari_medfreq.train.fine_tuning import LearnConfig
    from napari_medfreq.train.learn import Task
    from napari_medfreq.train.learn import learn as run_learning
    from napari_medfreq.train.offspring import free_name, place_of

    tune_allocator()
    parent = open_model(model)
    target = place_of(output or free_name(parent.name))
    task = Task(source, parent, target, tuple(rehearse or ()), LearnConfig(steps=steps, rate=rate, seed=seed))
    err = console.err()

    def folder(fingerprint: str) -> Path:
        own = platformdirs.user_data_path("napari-medfreq", appauthor=False) / "runs"
        chosen = run or own / f"{target.name}-{fingerprint}"
        err.print(f"{SAYS}{FOLDER}{chosen.resolve()}", markup=False, soft_wrap=True)
        return chosen

    with interrupts() as asked, console.progress_bar(err) as bar:
        shown = bar.add_task("learning", total=None)

        def report(state: Report) -> None:
            bar.update(shown, completed=state.samples, total=state.total)

        def say(text: str) -> None:
            bar.update(shown, description=text)
            if not err.is_terminal:  # where no bar is drawn
                err.print(f"{SAYS}{text}", markup=False, soft_wrap=True)

        outcome = run_learning(
            task,
            folder,
            accelerator=accelerator,
            report=report,
            say=say,
            stop=lambda: bool(asked),
        )
    if outcome is None:
        err.print("Stopped; the same command goes on from here.", markup=False, soft_wrap=True)
        raise typer.Exit(1)
    for reason in outcome.left_out:
        err.print(f"left out: {reason}", markup=False, soft_wrap=True)
    if as_json:
        console.print_json(outcome.to_dict())
    else:
        _show(outcome)


def _show(outcome: Outcome) -> None:
    from rich.table import Table

    table = Table("Dice", "images", "before", "after", "change")
    rows = {"corrections, held out": outcome.held_out, **outcome.earlier}
    for name, figure in rows.items():
        table.add_row(name, str(figure.n), f"{figure.before:.3f}", f"{figure.after:.3f}", f"{figure.gain:+.3f}")
    out = console.out()
    out.print(table)
    if outcome.better:
        out.print(
            f"{outcome.name} is better and was added to the models: {outcome.model}", markup=False, soft_wrap=True
        )
        return
    out.print(
        f"The new model is not better than {outcome.parent} and was not added to the models.",
        markup=False,
        soft_wrap=True,
    )
    for reason in outcome.reasons:
        out.print(reason, markup=False, soft_wrap=True)
    out.print(f"It can be looked at all the same: --model {outcome.model}", markup=False, soft_wrap=True)
