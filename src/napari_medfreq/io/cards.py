"""Model cards: what a model is for, what it was made from and how well it does, read before it is trusted."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

import tomli_w

from napari_medfreq.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

_FENCE = "+++"


@dataclass(frozen=True)
class Card:
    """The facts of a ``card.md``: TOML between two lines ``+++``, then the prose.

    Parameters
    ----------
    title : str
        The model's name for people.
    summary : str
        One or two sentences.
    licence : str
        Under which terms the weights may be used.
    intended_use, not_for : str
        What the model is for, and what it must not be used for.
    data : tuple of str
        The sets that it was trained on, each with its split and licence.
    metrics : dict
        Measured figures, by data set: ``{"kvasir_seg": {"dice": 0.86, "n": 100}}``.
    text : str
        The rest of the card, Markdown.
    """

    title: str
    summary: str
    licence: str
    intended_use: str
    not_for: str
    data: tuple[str, ...] = ()
    metrics: dict[str, Any] = field(default_factory=dict)
    text: str = ""

    def to_markdown(self) -> str:
        """Return the whole card as it is written to ``card.md``."""
        facts = asdict(self)
        text = facts.pop("text")
        facts["data"] = list(self.data)
        return f"{_FENCE}\n{tomli_w.dumps(facts)}{_FENCE}\n\n{text.strip()}\n"

    def figures(self) -> str:
        """Return `metrics` as a Markdown table: images, Dice, IoU and mean absolute error of each set and label."""
        lines = ["| set | images | Dice | IoU | MAE | |", "|---|---|---|---|---|---|"]
        for name, row in self.metrics.items():
            lines.append(_figures(name, row, row.get("n", "")))
            lines += [_figures(f"{name}: {label}", part, "") for label, part in row.get("labels", {}).items()]
        return "\n".join(lines)


def _figures(name: str, row: dict[str, Any], images: Any) -> str:
    cells = [f"{row[key]:.3f}" if key in row else "" for key in ("dice", "iou", "mae")]
    empty = row.get("empty", {})
    wrong = empty.get("n", 0) - empty.get("nothing_marked", 0)
    note = f"marked something on {wrong} of {empty['n']} images without a target" if empty else ""
    return f"| {' | '.join([name, str(images), *cells, note])} |"


def parse_card(markdown: str, source: Path) -> Card:
    """Return the card that `markdown` holds.

    Raises
    ------
    ModelError
        If the facts are missing, incomplete, unknown or not TOML; the message names `source`.
    """
    lines = markdown.removeprefix("\ufeff").lstrip().splitlines()
    if not lines or lines[0].strip() != _FENCE or _FENCE not in (line.strip() for line in lines[1:]):
        raise ModelError(f"{source}: the card must begin with its facts between two lines '{_FENCE}'.")
    end = next(i for i, line in enumerate(lines) if i and line.strip() == _FENCE)
    try:
        facts = tomllib.loads("\n".join(lines[1:end]))
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"{source}: the facts between the lines '{_FENCE}' are not valid TOML: {error}.") from error
    known = [f.name for f in fields(Card) if f.name != "text"]
    if unknown := sorted(set(facts) - set(known)):
        raise ModelError(f"{source}: unknown entries {', '.join(unknown)}; a card has {', '.join(known)}.")
    if missing := [name for name in known[:5] if not isinstance(facts.get(name), str) or not facts[name].strip()]:
        raise ModelError(
            f"{source}: the card does not say its {', '.join(missing)}. Complete it before the model is used."
        )
    data = facts.pop("data", [])
    if not isinstance(data, list) or not isinstance(facts.get("metrics", {}), dict):
        raise ModelError(f"{source}: 'data' must be a list of texts and 'metrics' a table.")
    return Card(**facts, data=tuple(str(entry) for entry in data), text="\n".join(lines[end + 1 :]).strip())
