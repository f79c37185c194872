"""``napari-medfreq models``: which models there are, what each is for, and whether its weights are whole."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_medfreq.cli import console
from napari_medfreq.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_medfreq.io.models import ModelFolder

models = typer.Typer(help="List, show and verify the models that are installed.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of a model, or its folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


def register(app: typer.Typer) -> None:
    """Add the group of commands to `app`."""
    app.add_typer(models, name="models")


@models.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the models that are installed."""
    from rich.markup import escape
    from rich.table import Table

    from napari_medfreq.io.models import find_models, model_paths

    damaged: dict[Path, ModelError] = {}
    found = find_models(on_error=damaged.__setitem__)
    if as_json:
        console.print_json(
            {
                "models": [_facts(model) for model in found],
                "damaged": [{"path": str(path), "error": str(error)} for path, error in damaged.items()],
            }
        )
    elif found:
        table = Table(box=None, padding=(0, 2, 0, 0))
        # What has to be typed must not be cut.
        table.add_column("name", no_wrap=True, min_width=max(len(model.name) for model in found))
        table.add_column("finds")
        table.add_column("in", no_wrap=True)
        for model in found:
            labels = ", ".join(label.name for label in model.labels)
            table.add_row(*map(escape, (model.name, labels, _in_short(model))))
        console.out().print(table)
        console.err().print("What a model is for, its licence and figures: napari-medfreq models show NAME")
    else:
        console.err().print("No models were found. These folders were searched:")
        for path in model_paths():
            console.err().print(f"  {path}", markup=False, soft_wrap=True)
    if not as_json:
        for error in damaged.values():
            console.say_error(error)


@models.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show the card of a model: what it is for, what it was made from, how well it does."""
    from rich.markdown import Markdown

    from napari_medfreq.io.models import open_model

    model = open_model(name)
    if as_json:
        console.print_json({**_facts(model), "card": asdict(model.card)})
        return
    card, screen = model.card, console.out()
    screen.print(f"{card.title} ({model.name} {model.version})", style="bold", markup=False)
    screen.print(card.summary, markup=False)
    facts = {
        "finds": ", ".join(f"{label.value} {label.name}" for label in model.labels),
        "input": _input(model),
        "for": card.intended_use,
        "not for": card.not_for,
        "licence": card.licence,
        "sha256": model.sha256,
        "folder": str(model.path),
    }
    for key, value in facts.items():
        screen.print(f"{key + ':':<9} {value}", markup=False, soft_wrap=True)
    for entry in card.data:
        screen.print(f"trained on {entry}", markup=False, soft_wrap=True)
    if card.metrics:
        screen.print(Markdown(card.figures()))
    if card.text:
        screen.print(Markdown(card.text))


@models.command()
def verify(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="By default all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the weights of models with the hashes that their folders state."""
    from napari_medfreq.io.models import find_models, open_model, verify

    results: dict[str, str] = {}
    damaged: dict[Path, ModelError] = {}
    # A folder that cannot even be read fails the check of all models as much as a wrong hash does.
    wanted = names or [str(model.path) for model in find_models(on_error=damaged.__setitem__)]
    results.update({str(path): str(error) for path, error in damaged.items()})
    for name in wanted:
        try:
            model = open_model(name)
            verify(model)
            results[model.name] = "ok"
        except ModelError as error:
            results[name] = str(error)
    failed = {name: text for name, text in results.items() if text != "ok"}
    if as_json:
        console.print_json({"models": results})
    else:
        for name in results.keys() - failed.keys():
            console.out().print(f"{name}: ok", markup=False)
        for text in failed.values():
            console.say_error(text)
    if not results:
        raise ModelError("No models were found; `napari-medfreq models list` says where they are looked for.")
    if failed:
        raise typer.Exit(1)


def _facts(model: ModelFolder) -> dict[str, Any]:
    """Return what a script wants to know of a model; JSON-serialisable."""
    return {
        "name": model.name,
        "title": model.title,
        "version": model.version,
        "task": model.task,
        "path": str(model.path),
        "sha256": model.sha256,
        "licence": model.card.licence,
        "labels": [asdict(label) for label in model.labels],
        "input": asdict(model.input),
    }


def _in_short(model: ModelFolder) -> str:
    return _input(model).replace("red+green+blue", "colour")


def _input(model: ModelFolder) -> str:
    spec = model.input
    depth = f", {spec.slices} slices" if spec.slices > 1 else ""
    return f"{'+'.join(spec.channels)}{depth}"
