"""``napari-medfreq``: the command line. A command imports what it needs when it runs, so ``--help`` is instant."""

from __future__ import annotations

import logging
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from napari_medfreq import __version__
from napari_medfreq.cli import (
    bands,
    calibrate,
    console,
    demo,
    evaluate_synthesis,
    info,
    learn,
    models,
    segment,
    synthesize,
    train,
)
from napari_medfreq.errors import MedfreqError
from napari_medfreq.jobs.threads import let_threads_sleep


class PlainErrors(TyperGroup):
    """Commands whose errors of class `MedfreqError` are one red line and exit code 1; with ``--debug`` a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that `ctx` holds."""
        try:
            return super().invoke(ctx)
        except MedfreqError as error:
            if ctx.params.get("debug"):
                raise
            console.say_error(error)
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=PlainErrors,
    name="napari-medfreq",
    help="Segment medical images, and say how sure that is. Research use only, not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        console.out().print(f"napari-medfreq {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Take the options that stand before every command."""
    let_threads_sleep()
    if debug:
        from rich.logging import RichHandler

        logging.basicConfig(format="%(name)s: %(message)s", handlers=[RichHandler(console=console.err())])
        logging.getLogger("napari_medfreq").setLevel(logging.DEBUG)


segment.register(app)
synthesize.register(app)
bands.register(app)
models.register(app)
demo.register(app)
train.register(app)
calibrate.register(app)
evaluate_synthesis.register(app)
learn.register(app)
info.register(app)
