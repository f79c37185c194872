"""Draw reliability diagrams: ``python docs/results/reliability.py EVALUATION.json... -o reliability.svg``.

The files are what ``napari-medfreq evaluate --uncertainty --json`` answers. A panel a set shows, near the boundary, how
often the model is right against how sure it is, before (grey) and after (blue) calibration; on the diagonal the two are
equal. The area of a dot is its share of the voxels.
"""

from __future__ import annotations

import argparse
import json
from html import escape
from pathlib import Path
from typing import Any

SIDE, GAP, COLUMNS = 150, 46, 4
LOW = 1 / 3  # the least confidence that three classes leave
COLOURS = {"band_before": "#9a9a9a", "band": "#2f7fd0"}


def panel(name: str, row: dict[str, Any], left: int, top: int) -> list[str]:
    """Return the SVG elements of one set."""

    def at(confidence: float, right: float) -> tuple[float, float]:
        return left + SIDE * (confidence - LOW) / (1 - LOW), top + SIDE * (1 - right)

    x0, y0 = at(LOW, LOW)
    parts = [
        f'<rect x="{left}" y="{top}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#777"/>',
        f'<line x1="{x0}" y1="{y0}" x2="{left + SIDE}" y2="{top}" stroke="#777" stroke-dasharray="3 3"/>',
        f'<text x="{left}" y="{top - 8}" font-weight="bold">{escape(name)}</text>',
    ]
    for table, colour in COLOURS.items():
        points = [(*at(b["confidence"], b["right"]), b["share"]) for b in row["reliability"].get(table, [])]
        if not points:
            continue
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{1 + 7 * s**0.5:.1f}" fill="{colour}"/>' for x, y, s in points]
    before, after = (row.get(key) for key in ("ece_band_before", "ece_band"))
    note = f"ECE {after:.3f}" if before is None else f"ECE {before:.3f} → {after:.3f}"
    parts.append(f'<text x="{left}" y="{top + SIDE + 16}">{note}</text>')
    return parts


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description="Draw reliability diagrams from evaluations.")
    parser.add_argument("evaluations", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("reliability.svg"))
    arguments = parser.parse_args()
    sets: dict[str, dict[str, Any]] = {}
    for path in arguments.evaluations:
        sets |= json.loads(path.read_text(encoding="utf-8"))["datasets"]
    step = SIDE + GAP
    shown = [(name, row) for name, row in sets.items() if "reliability" in row]
    rows = -(-len(shown) // COLUMNS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{COLUMNS * step + GAP}" height="{rows * step + GAP}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for index, (name, row) in enumerate(shown):
        parts += panel(name, row, GAP // 2 + index % COLUMNS * step, GAP // 2 + 8 + index // COLUMNS * step)
    arguments.output.write_text("\n".join([*parts, "</svg>\n"]), encoding="utf-8")


if __name__ == "__main__":
    main()
