"""The run folder: ``config.toml``, ``events.jsonl``, ``checkpoints``; it outlives the process that writes it."""

from __future__ import annotations

import io
import json
import platform
import time
from typing import TYPE_CHECKING, Any, Literal

import torch

from napari_medfreq import __version__
from napari_medfreq.errors import DatasetError, FileError
from napari_medfreq.io.atomic import append_line, replacing

if TYPE_CHECKING:
    from pathlib import Path

CONFIG, EVENTS, PROVENANCE = "config.toml", "events.jsonl", "provenance.json"
Averaged = Literal["best", "final"]
"""The checkpoints that hold averaged weights: best on the validation cases, and at the end of the run."""
Checkpoint = Literal["best", "final", "last"]
"""``last`` is what a run goes on from."""

_PART = ".part"


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
        for abandoned in (folder / "checkpoints").glob(f".*{_PART}"):
            abandoned.unlink()  # by a run that was killed while it saved
    except OSError as error:
        raise FileError(f"{folder}: the run folder cannot be written: {error.strerror}.") from error
    if not own.exists():
        versions = {"napari-medfreq": __version__, "torch": torch.__version__, "python": platform.python_version()}
        provenance = {"versions": versions, "platform": platform.platform()}
        with replacing(folder / PROVENANCE) as scratch:
            scratch.write_text(json.dumps(provenance, indent=1), encoding="utf-8")
        with replacing(own) as scratch:
            scratch.write_bytes(config.read_bytes())
    if own.resolve() != config.resolve() and own.read_bytes() != config.read_bytes():
        raise DatasetError(
            f"{folder} holds a run of another config; choose another folder, or resume with its own {own}."
        )


def append_event(folder: Path, kind: str, **values: Any) -> None:
    """Append one line to ``events.jsonl``.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    entry = {"time": round(time.time(), 2), "kind": kind, **values}
    append_line(folder / EVENTS, json.dumps(entry, default=float))


def save_checkpoint(folder: Path, name: Checkpoint, state: dict[str, Any]) -> None:
    """Write ``checkpoints/<name>.pt`` whole or not at all.

    Raises
    ------
    FileError
        If it cannot be written; the checkpoint before it is unchanged.
    """
    # By way of memory: torch reports a full disk as a bare RuntimeError.
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with replacing(folder / "checkpoints" / f"{name}.pt", _PART) as scratch:
        scratch.write_bytes(buffer.getbuffer())


def load_checkpoint(folder: Path, name: Checkpoint) -> dict[str, Any] | None:
    """Return the checkpoint, or None where there is none yet.

    Raises
    ------
    FileError
        If it is damaged.
    """
    path = folder / "checkpoints" / f"{name}.pt"
    if not path.is_file():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)  # type: ignore[no-any-return]
    except Exception as error:  # damaged bytes lead the unpickler to raise anything
        raise FileError(f"{path} is damaged; restore it from a copy, or delete it to start the run again.") from error
