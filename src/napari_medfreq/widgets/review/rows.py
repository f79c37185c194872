"""The queue as rows: every region of every open case, best first, with what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from napari_medfreq.io.review import ReviewRegion, State
    from napari_medfreq.widgets.review.cases import OpenCase

DONE: tuple[State, ...] = ("corrected", "accepted")


@dataclass(eq=False)
class Row:
    """A region of the queue.

    Attributes
    ----------
    case : OpenCase
        Where it is.
    region : ReviewRegion
        What it is.
    state : State
        What became of it.
    rank : int
        Its place in the whole queue, from 1.
    label : str
        The name of its label.
    plane : int or None
        The slice of its centre as napari counts it, from 0; None in a picture.
    """

    case: OpenCase
    region: ReviewRegion
    state: State
    rank: int
    label: str
    plane: int | None

    @property
    def key(self) -> tuple[str, int]:
        """Case and number: what the folder calls it."""
        return self.case.id, self.region.number


@dataclass(frozen=True)
class Progress:
    """How far a review is.

    Attributes
    ----------
    left, total : int
        Regions that are open or flagged, and all.
    size_left : str
        What is left to look at, with its unit; empty where the images do not share one.
    before, now : float or None
        Expected mean Dice of the open cases as the model left them, and with what was corrected or accepted.
    """

    left: int
    total: int
    size_left: str
    before: float | None
    now: float | None


def make_rows(cases: Iterable[OpenCase], state_of: Callable[[str, int], State]) -> list[Row]:
    """Return the regions of `cases` as one queue."""
    rows = []
    for case in cases:
        names = {label.value: label.name for label in case.case.labels}
        anything = next(iter(names.values())) if len(names) == 1 else "any label"
        for region in case.case.regions:
            state = state_of(case.id, region.number)
            _, centre = case.bounds_on_screen(region)
            plane = centre[-3] if len(centre) > 2 else None
            rows.append(Row(case, region, state, 0, names.get(region.label, anything), plane))
    rows.sort(key=lambda row: -row.region.priority)
    for rank, row in enumerate(rows, start=1):
        row.rank = rank
    return rows


def progress_of(rows: Sequence[Row], cases: Sequence[OpenCase]) -> Progress:
    """Return how far the review of `cases` is."""
    left = [row for row in rows if row.state not in DONE]
    units = {row.region.size_unit for row in rows}
    size = sum(row.region.size for row in left)
    size_left = f"{size_text(size, units.pop())}" if len(units) == 1 else ""
    gains = dict.fromkeys((case.id for case in cases), 0.0)
    for row in rows:
        if row.state in DONE:
            gains[row.case.id] += row.region.gain
    known = [case for case in cases if case.case.expected_dice is not None]
    if not known:
        return Progress(len(left), len(rows), size_left, None, None)
    before = [float(case.case.expected_dice or 0.0) for case in known]
    now = [min(1.0, dice + gains[case.id]) for dice, case in zip(before, known, strict=True)]
    return Progress(len(left), len(rows), size_left, float(np.mean(before)), float(np.mean(now)))


def size_text(size: float, unit: str) -> str:
    """Return a size as it is read: ``37,419 px``, ``14.5 mm³``."""
    digits = f"{size:,.0f}" if unit == "px" or size >= 100 else f"{size:.3g}"
    return f"{digits} {unit}"
