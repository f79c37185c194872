"""A new version of a model: its name, its card and its folder."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import save

from napari_medfreq.errors import ModelError
from napari_medfreq.io.models import find_models, user_models, write_model
from napari_medfreq.train.export import halved

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from napari_medfreq.io.cards import Card
    from napari_medfreq.io.model_config import ModelFolder
    from napari_medfreq.train.blending import Figure

CORRECTIONS = "corrections, held out"
"""What a card calls the corrections that a model was measured on."""
_REVIEW = re.compile(r"-review\d+$")


@dataclass(frozen=True)
class Lineage:
    """Where a model came from.

    Attributes
    ----------
    parent : ModelFolder
        The model that learned.
    source : str
        Name of the review or folder.
    corrections : int
        Images that were learned from.
    share : float
        Of the new weights in the average of old and new.
    rehearsed : int
        Earlier images that were gone through again.
    held_out : Figure
        On corrections kept out.
    earlier : dict
        On the test cases of the earlier sets.
    reasons : tuple of str
        Why it is not better; empty if it is.
    """

    parent: ModelFolder
    source: str
    corrections: int
    share: float
    rehearsed: int
    held_out: Figure
    earlier: Mapping[str, Figure]
    reasons: tuple[str, ...] = ()


def free_name(parent: str, taken: set[str] | None = None) -> str:
    """Return the first of ``<parent>-review1``, ``-review2`` ... that no model has."""
    names = {model.name for model in find_models()} if taken is None else taken
    stem = _REVIEW.sub("", parent)
    return next(name for n in range(1, len(names) + 2) if (name := f"{stem}-review{n}") not in names)


def place_of(name_or_path: str) -> Path:
    """Return the folder for a new model: in the user's own folder unless a path is given.

    Raises
    ------
    ModelError
        If there is a model of that name already; it is never replaced.
    """
    path = Path(name_or_path).expanduser()
    name = path.name
    target = user_models() / name if name == name_or_path else path
    if target.exists() or name in {model.name for model in find_models()}:
        raise ModelError(f"There is a model {name!r} already, and it is kept. Choose another name for the new one.")
    return target


def raised(version: str) -> str:
    """Return `version` with its last number raised by one."""
    head, number, tail = re.fullmatch(r"(.*?)(\d*)(\D*)", version).groups()  # type: ignore[union-attr]
    return f"{head}{int(number) + 1}{tail}" if number else f"{version}.1"


def write_offspring(target: Path, name: str, weights: Mapping[str, Tensor], lineage: Lineage) -> ModelFolder:
    """Write the new model to the folder `target`, whole or not at all.

    Raises
    ------
    ModelError
        If the name is no name for a model.
    FileError
        If the folder cannot be written.
    """
    parent = lineage.parent
    calibration = parent.calibration
    model = replace(
        parent,
        path=target,
        name=name,
        title=f"{parent.title.partition(', corrected')[0]}, corrected ({name})",
        version=raised(parent.version),
        card=card_of(lineage, name),
        sha256="",
        # Near enough for the probabilities; how far the expected Dice is off was measured on the parent alone.
        calibration=None if calibration is None else replace(calibration, dice_error=None),
    )
    return write_model(model, save(halved(dict(weights))))


def card_of(lineage: Lineage, name: str) -> Card:
    """Return the card: licence, use and what it is not for are inherited, figures are its own."""
    parent = lineage.parent
    card = parent.card
    metrics = {CORRECTIONS: _row(lineage.held_out)} | {k: _row(figure) for k, figure in lineage.earlier.items()}
    images = f"{lineage.corrections} corrected images of {lineage.source}"
    return replace(
        card,
        title=f"{parent.title.partition(', corrected')[0]}, corrected ({name})",
        data=(*card.data, f"{images}; terms of their owner"),
        metrics=metrics,
        text=_story(lineage, name, images),
    )


def _row(figure: Figure) -> dict[str, float | int]:
    return {"n": figure.n, "dice": round(figure.after, 4), "dice_before": round(figure.before, 4)}


def _story(lineage: Lineage, name: str, images: str) -> str:
    parent, held_out = lineage.parent, lineage.held_out
    kept = (
        f"Half of what it saw were {lineage.rehearsed} images of the sets that {parent.name} was trained on."
        if lineage.rehearsed
        else f"No earlier data were at hand, so the weights were held near those of {parent.name}; "
        "what it forgot was not measured."
    )
    lines = [f"- {n}: {f.before:.3f} before, {f.after:.3f} after ({f.n} images)" for n, f in lineage.earlier.items()]
    judged = "\n".join(("It is not better than the model that it came from:", *lineage.reasons, ""))
    return "\n".join(
        (
            f"# {name}",
            "",
            f"It came from **{parent.name}**, version {parent.version}, weights `{parent.sha256}`: adapters, prompt, "
            f"decoder and heads learned from {images}, the encoder stayed. {kept} The weights are "
            f"{100 * lineage.share:.0f} % new and {100 * (1 - lineage.share):.0f} % old.",
            "",
            *((judged,) if lineage.reasons else ()),
            "Dice coefficient on the model's grid, of images that it did not learn from. The share of new weights was "
            "chosen by the corrections held out, which flatters their figure a little:",
            "",
            f"- {CORRECTIONS}: {held_out.before:.3f} before, {held_out.after:.3f} after ({held_out.n} images)",
            *lines,
            "",
            "The calibration is that of the model that it came from; `napari-medfreq calibrate` measures it anew.",
            "",
            f"## What is said of {parent.name}",
            "",
            parent.card.text.partition("\n## What is said of ")[0].replace("\n# ", "\n### ").removeprefix("# "),
        )
    )
