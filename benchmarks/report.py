"""What a benchmark found, as a row of a table or as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Result:
    """One measured figure and its goal.

    Parameters
    ----------
    what : str
        What was measured, beside what.
    value : float
        The figure that the goal is about: a ratio, or milliseconds.
    unit : str
        ``x`` or ``ms``.
    goal : float, optional
        The limit; None where the figure is only there for comparison.
    at_least : bool
        Whether `value` must be at least `goal`, else at most.
    milliseconds : dict
        Medians of the contestants.
    """

    what: str
    value: float
    unit: str
    goal: float | None
    at_least: bool
    milliseconds: dict[str, float]

    @property
    def verdict(self) -> str:
        """``ok``, ``missed``, or nothing where there is no goal."""
        if self.goal is None:
            return ""
        return "ok" if (self.value >= self.goal if self.at_least else self.value <= self.goal) else "missed"

    def to_json(self) -> dict[str, Any]:
        """Return it as what JSON knows."""
        return {**asdict(self), "verdict": self.verdict}


def table(results: Sequence[Result]) -> Table:
    """Return the results for people."""
    rows = Table("measured", "result", "goal", "", "medians", box=None, padding=(0, 2, 0, 0))
    for result in results:
        goal = "" if result.goal is None else f"{'>=' if result.at_least else '<='} {result.goal:g} {result.unit}"
        verdict = {"ok": "[green]ok[/]", "missed": "[red]missed[/]"}.get(result.verdict, "")
        medians = ", ".join(f"{name} {value:.4g} ms" for name, value in result.milliseconds.items())
        rows.add_row(result.what, f"{result.value:.3g} {result.unit}", goal, verdict, medians)
    return rows
