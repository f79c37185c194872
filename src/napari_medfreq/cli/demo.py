"""``napari-medfreq demo``: the viewer on a fundus photograph, segmented."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_medfreq.cli import console
from napari_medfreq.errors import MedfreqError

if TYPE_CHECKING:
    from collections.abc import Mapping

QT_BINDINGS = ("PyQt6", "PySide6", "PyQt5", "PySide2")
NO_XVFB = (
    "There is no display, and Xvfb, which makes a virtual one, is not installed. "
    "Install it (sudo apt-get install xvfb), or run the demo on a machine with a screen."
)


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(demo)


def demo(
    screenshot: Annotated[
        Path | None,
        typer.Option(help="Write a picture of the window there and close it. Without a display: demo.png by itself."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("-m", "--model", help="The name of a model, or its folder. [default: the shipped one]")
    ] = None,
) -> None:
    """Open napari on a fundus photograph and segment it: mask, probability and uncertainty."""
    check_viewer()
    command = [sys.executable, "-m", "napari_medfreq.widgets.demo"]
    environment = dict(os.environ)
    if not has_display(environment):
        screenshot = screenshot or Path("demo.png")
        command = [*virtual_display(), *command]
        # Software rendering gives the same picture on every machine.
        environment["LIBGL_ALWAYS_SOFTWARE"] = "1"
        console.err().print(f"No display: working on a virtual one, and writing {screenshot}.", markup=False)
    if model is not None:
        command += ["--model", model]
    if screenshot is not None:
        command += ["--screenshot", str(screenshot)]
    status = subprocess.run(command, env=environment, check=False).returncode
    if status:
        raise MedfreqError(f"The demo ended with status {status}; what it said stands above.")


def check_viewer() -> None:
    """Raise a `MedfreqError` that says what to install where napari or every Qt binding is missing."""
    if find_spec("napari") is None:
        raise MedfreqError('napari is not installed. Install it with: pip install "napari-medfreq[all]"')
    if not any(find_spec(name) for name in QT_BINDINGS):
        raise MedfreqError(
            "napari needs a Qt binding to show a window, and there is none. "
            'Install one with: pip install "napari-medfreq[all]"'
        )


def has_display(environment: Mapping[str, str]) -> bool:
    """Say whether a window can be shown: macOS and Windows always have a display, Linux where the variables say so."""
    if not sys.platform.startswith("linux"):
        return True
    chosen = environment.get("QT_QPA_PLATFORM", "")
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY") or chosen == "offscreen")


def virtual_display() -> list[str]:
    """Return the words to put before a command so that it runs on a virtual display of its own.

    Raises
    ------
    MedfreqError
        If ``xvfb-run`` is not installed.
    """
    runner = shutil.which("xvfb-run")
    if runner is None:
        raise MedfreqError(NO_XVFB)
    return [runner, "--auto-servernum", "--server-args=-screen 0 1600x1200x24"]
