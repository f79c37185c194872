"""Model folders: ``card.md``, ``config.toml`` and ``weights.safetensors``, found, checked and written without torch."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import tomli_w

from napari_medfreq.errors import ModelError
from napari_medfreq.io.atomic import write_error
from napari_medfreq.io.cards import Card, parse_card
from napari_medfreq.io.model_config import (
    CONFIG,
    WEIGHTS,
    InputSpec,
    LabelName,
    ModelFolder,
    ModelKind,
    dump_config,
    parse_config,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = [
    "Card",
    "InputSpec",
    "LabelName",
    "ModelFolder",
    "ModelKind",
    "find_models",
    "model_paths",
    "open_model",
    "read_model",
    "user_models",
    "verify",
    "write_model",
]

CARD = "card.md"
_PICKLES = {".pt", ".pth", ".ckpt", ".pkl", ".bin"}
_log = logging.getLogger(__name__)


def user_models() -> Path:
    """Return the folder of the user's own models; it does not need to exist."""
    return platformdirs.user_data_path("napari-medfreq", appauthor=False) / "models"


def model_paths() -> list[Path]:
    """Return the folders that are searched for models, first come first served; not all of them need to exist."""
    own = [Path(entry) for entry in os.environ.get("MEDFREQ_MODELS", "").split(os.pathsep) if entry]
    package = Path(__file__).resolve().parent.parent
    return [
        *own,
        user_models(),
        package / "_models",
        package.parents[1] / "models",
    ]


def find_models(
    on_error: Callable[[Path, ModelError], None] | None = None, *, kind: ModelKind = "segmentation"
) -> list[ModelFolder]:
    """Return the models of `model_paths` that do one kind of work; of two with one name the first.

    Parameters
    ----------
    on_error : callable, optional
        Called with each folder that holds a damaged model; by default it is logged and left out.
    kind : {"segmentation", "synthesis"}
        What they do.
    """
    found: dict[str, ModelFolder] = {}
    for path in _candidates():
        try:
            model = read_model(path)
        except ModelError as error:
            if on_error is None:
                _log.warning("left out: %s", error)
            else:
                on_error(path, error)
        else:
            if model.kind == kind:
                found.setdefault(model.name, model)
    return list(found.values())


def open_model(name_or_path: str | Path, *, kind: ModelKind = "segmentation") -> ModelFolder:
    """Return the model of that name, or the one in that folder.

    Raises
    ------
    ModelError
        If there is none, it does another kind of work, or its folder is damaged; the message says what is missing and
        what there is.
    """
    model = _opened(name_or_path, kind)
    if model.kind != kind:
        raise ModelError(
            f"{model.title} ({model.name}) is a model for {model.kind}, not for {kind}: it "
            f"{'finds labels' if model.kind == 'segmentation' else 'makes a missing contrast'}. Choose another model."
        )
    return model


def _opened(name_or_path: str | Path, kind: ModelKind) -> ModelFolder:
    text = str(name_or_path)
    named = text == Path(text).name and not isinstance(name_or_path, Path)
    if named:
        for path in _candidates():
            if path.name == text:
                return read_model(path)
        for model in find_models(kind=kind):
            if model.name == text:
                return model
    path = Path(name_or_path).expanduser()
    if path.exists():
        return read_model(path)
    names = ", ".join(model.name for model in find_models(kind=kind)) or "none"
    raise ModelError(
        f"There is no model {text!r}. Models that are installed: {names}. "
        "Give one of these names or the folder of a model; MEDFREQ_MODELS can name folders that hold more."
    )


def read_model(path: Path) -> ModelFolder:
    """Read the folder `path`: its card and its config, and whether its weights are safetensors at all.

    Raises
    ------
    ModelError
        If anything is missing, unreadable, unknown or from a newer release.
    """
    path = Path(path)
    _check_files(path)
    config_file = path / CONFIG
    try:
        config = tomllib.loads(config_file.read_text(encoding="utf-8"))
        card = parse_card((path / CARD).read_text(encoding="utf-8"), path / CARD)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: {CONFIG} or {CARD} cannot be read: {error}.") from error
    except OSError as error:
        raise ModelError(f"{path}: the model cannot be read: {error.strerror}.") from error
    return parse_config(config, path, card)


def verify(model: ModelFolder) -> None:
    """Compare the weights with the hash in the config.

    Raises
    ------
    ModelError
        If they differ: the file is damaged, or it was replaced.
    """
    actual = _sha256(model.weights)
    if actual != model.sha256:
        raise ModelError(
            f"{model.weights}: the weights do not have the hash that {CONFIG} states ({actual[:12]}… instead of "
            f"{model.sha256[:12]}…). The file is damaged or was replaced: fetch the model again."
        )


def write_model(
    model: ModelFolder, weights: bytes | Callable[[Path], None], beside: Mapping[str, bytes] | None = None
) -> ModelFolder:
    """Write a model to ``model.path``, whole or not at all; a folder that is there is replaced at the very end.

    Parameters
    ----------
    model : ModelFolder
        All but the hash, which is computed here.
    weights : bytes or callable
        The content of the safetensors file, or what writes it to the path that it is given.
    beside : mapping of str to bytes, optional
        Other files of the folder and their content.

    Raises
    ------
    FileError
        If the folder cannot be written; what was there before is still there.
    """
    target = model.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
            fresh = Path(scratch) / "new"
            fresh.mkdir()
            if callable(weights):
                weights(fresh / WEIGHTS)
            else:
                (fresh / WEIGHTS).write_bytes(weights)
            for name, content in (beside or {}).items():
                (fresh / name).write_bytes(content)
            written = replace(model, path=target, sha256=_sha256(fresh / WEIGHTS))
            (fresh / CONFIG).write_text(tomli_w.dumps(dump_config(written)), encoding="utf-8")
            (fresh / CARD).write_text(model.card.to_markdown(), encoding="utf-8")
            read_model(fresh)
            _swap(fresh, target, Path(scratch) / "old")
    except OSError as error:
        raise write_error(target, error) from error
    return written


def _candidates() -> Iterator[Path]:
    for root in model_paths():
        if root.is_dir():
            yield from sorted(path for path in root.iterdir() if (path / CONFIG).is_file() or (path / CARD).is_file())


def _check_files(path: Path) -> None:
    if not path.is_dir():
        raise ModelError(f"{path} is not a folder. A model is a folder with {CARD}, {CONFIG} and {WEIGHTS}.")
    missing = [name for name in (CARD, CONFIG, WEIGHTS) if not (path / name).is_file()]
    if WEIGHTS in missing and (pickles := sorted(p.name for p in path.iterdir() if p.suffix in _PICKLES)):
        raise ModelError(
            f"{path}: {pickles[0]} is a pickle, which can run any code when it is opened and is therefore not read. "
            f"Ask for the weights as {WEIGHTS}."
        )
    if missing:
        raise ModelError(f"{path} is not a whole model: {', '.join(missing)} missing. Fetch the folder again.")
    with (path / WEIGHTS).open("rb") as file:
        start = file.read(9)
    # A safetensors file begins with the length of its JSON header, eight bytes little-endian.
    length = int.from_bytes(start[:8], "little")
    if start[8:] != b"{" or length > (path / WEIGHTS).stat().st_size - 8:
        kind = (
            "a pickle or zip archive" if start[:1] == b"\x80" or start[:2] == b"PK" else "damaged, or of another kind"
        )
        raise ModelError(f"{path / WEIGHTS} is not a safetensors file: it is {kind}. Fetch the model again.")


def _swap(fresh: Path, target: Path, old: Path) -> None:
    """Put `fresh` in the place of `target`; a folder cannot be replaced in one step, so the old one steps aside."""
    if target.exists():
        target.replace(old)
    try:
        fresh.replace(target)
    except OSError:
        if old.exists():
            old.replace(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
