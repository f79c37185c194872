"""Draw what a review pays: ``python docs/results/review_curve.py review-curve.csv -o review.svg``.

The file is what ``python -m benchmarks.review_pays --curve`` writes: mean Dice over the pixels that were looked at, for
three orders of the same regions.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 560, 300, 60, 44, 16
COLOURS = {"queue": "#2f7fd0", "largest first": "#e08a2e", "random": "#9a9a9a"}


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description="Draw mean Dice over the pixels looked at.")
    parser.add_argument("curve", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("review.svg"))
    arguments = parser.parse_args()
    curves: dict[str, list[tuple[float, float]]] = {}
    with arguments.curve.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            curves.setdefault(row["order"], []).append((float(row["pixels"]), float(row["dice"])))
    points = [point for curve in curves.values() for point in curve]
    most = max(pixels for pixels, _ in points)
    low, high = min(dice for _, dice in points), max(dice for _, dice in points)

    def at(pixels: float, dice: float) -> str:
        return f"{LEFT + WIDTH * pixels / most:.1f},{TOP + HEIGHT * (1 - (dice - low) / (high - low)):.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 20}" height="{TOP + HEIGHT + BOTTOM}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="640" height="360" fill="white"/>',
        f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#777"/>',
        f'<text x="{LEFT - 6}" y="{TOP + HEIGHT}" text-anchor="end">{low:.3f}</text>',
        f'<text x="{LEFT - 6}" y="{TOP + 10}" text-anchor="end">{high:.3f}</text>',
        f'<text x="{LEFT - 6}" y="{TOP + HEIGHT / 2}" text-anchor="end">Dice</text>',
        f'<text x="{LEFT}" y="{TOP + HEIGHT + 16}">0</text>',
        f'<text x="{LEFT + WIDTH}" y="{TOP + HEIGHT + 16}" text-anchor="end">{most / 1e6:.2f} million</text>',
        f'<text x="{LEFT + WIDTH / 2}" y="{TOP + HEIGHT + 34}" text-anchor="middle">pixels looked at</text>',
    ]
    for number, (name, curve) in enumerate(sorted(curves.items(), key=lambda item: [*COLOURS].index(item[0]))):
        line = " ".join(at(*point) for point in curve)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"/>')
        y = TOP + HEIGHT - 16 - 18 * (len(curves) - 1 - number)
        parts.append(f'<text x="{LEFT + WIDTH - 12}" y="{y}" text-anchor="end" fill="{COLOURS[name]}">{name}</text>')
    arguments.output.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
