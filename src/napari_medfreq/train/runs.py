"""The run folder: ``config.toml``, ``events.jsonl``, ``checkpoints``; it outlives the process that writes it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from pathlib import Path
from typing import Any

import torch

from napari_medfreq import __version__
from napari_medfreq.errors import DatasetError, FileError

CONFIG, EVENTS, PROVENANCE = "config.toml", "events.jsonl", "provenance.json"


def open_run(folder: Path, config: Path) -> None:
    """Make a run folder for the file `config`, or check that the folder belongs to it.

    Raises
    ------
    DatasetError
        If the folder holds a run of another config.
    FileError
        If it cannot be written.
    """
    own = folder / CONFIG
    try:
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        if not own.exists():
            shutil.copyfile(config, own)
            versions = {"napari-medfreq": __version__, "torch": torch.__version__, "python": platform.python_version()}
            (folder / PROVENANCE).write_text(
                json.dumps({"versions": versions, "platform": platform.platform()}, indent=1)
            )
    except OSError as error:
        raise FileError(f"{folder}: the run folder cannot be written: {error.strerror}.") from error
    if own.resolve() != config.resolve() and own.read_bytes() != config.read_bytes():
        raise DatasetError(
            f"{folder} holds a run of another config; choose another folder, or resume with its own {own}."
        )


def append_event(folder: Path, kind: str, **values: Any) -> None:
    """Append one line to ``events.jsonl``; numbers keep five digits."""
    entry = {"time": round(time.time(), 2), "kind": kind, **values}
    line = json.dumps(entry, default=float) + "\n"
    with (folder / EVENTS).open("a", encoding="utf-8") as file:
        file.write(line)


def save_checkpoint(folder: Path, name: str, state: dict[str, Any]) -> None:
    """Write ``checkpoints/<name>.pt`` whole or not at all."""
    target = folder / "checkpoints" / f"{name}.pt"
    scratch = target.with_suffix(".part")
    torch.save(state, scratch)
    os.replace(scratch, target)


def load_checkpoint(folder: Path, name: str) -> dict[str, Any] | None:
    """Return the checkpoint, or None where there is none yet."""
    path = folder / "checkpoints" / f"{name}.pt"
    if not path.is_file():
        return None
    return torch.load(path, map_location="cpu", weights_only=True)  # type: ignore[no-any-return]
