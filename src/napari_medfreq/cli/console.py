"""Where the command line writes: answers to stdout, everything about the work itself to stderr.

So ``napari-medfreq segment ... --json | jq`` works while the progress bar is on screen.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from napari_medfreq.errors import MedfreqError


def out() -> Console:
    """Return the console for answers (stdout)."""
    return Console(highlight=False)


def err() -> Console:
    """Return the console for progress, notes and errors (stderr)."""
    return Console(stderr=True, highlight=False)


def say_error(error: MedfreqError | str) -> None:
    """Write one plain red line to stderr; brackets in file names are not taken for markup."""
    err().print(str(error), style="red", markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Write `value` as indented JSON to stdout, never wrapped to the width of the terminal, UTF-8 kept as it is."""
    out().print(json.dumps(value, indent=2, ensure_ascii=False), markup=False, soft_wrap=True)


def progress_bar(console: Console) -> Progress:
    """Return a progress bar on `console`; it draws nothing where that is not a terminal."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def bytes_in_words(count: float) -> str:
    """Return `count` bytes as a short text with a binary unit, such as ``3.2 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
