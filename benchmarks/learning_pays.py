"""``python -m benchmarks.learning_pays``: what a model learns from twenty corrections, and what it forgets.

The model was made for colonoscopy, ultrasound, dermoscopy and fundus photographs; it never saw MR. The corrections are
the true masks of twenty slices (as pictures) of the hippocampus, from twenty persons; the slices that it is tested on
are of other persons, and nothing was chosen by them. Dice is that of the images' own grid, as ``napari-medfreq
evaluate`` measures it; of the earlier sets all test cases are measured.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_medfreq.train.cases import Case

CORRECTIONS, TESTED = 20, 60
GOAL_SECONDS, GOAL_FALL = 300, 0.01


def write_pictures(cases: Sequence[Case], folder: Path) -> None:
    """Write one slice of each volume as a picture: the coronal one in the middle of the hippocampus."""
    from PIL import Image

    from napari_medfreq.io.files import read
    from napari_medfreq.nn.inputs import normalise

    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for case in cases:
        image, mask = read(case.image)[0].data, read(case.mask)[0].data > 0
        places = np.flatnonzero(mask.any(axis=(0, 2)))
        middle = int(places[len(places) // 2])
        grey = normalise(image, "percentile")[::-1, middle]
        Image.fromarray((255 * grey).round().astype(np.uint8)).save(folder / "images" / f"{case.id}.png")
        Image.fromarray(np.uint8(255) * mask[::-1, middle]).save(folder / "masks" / f"{case.id}.png")


def persons(data: Path, split: str, count: int) -> list[Case]:
    """Return `count` volumes of other persons than the other split's, drawn by a hash of their names."""
    from napari_medfreq.train.cases import read_cases, split_cases

    dealt: dict[str, list[Case]] = {str(k): v for k, v in split_cases(read_cases(data / "msd_hippocampus")).items()}
    return sorted(dealt[split], key=lambda c: hashlib.sha256(c.id.encode()).digest())[:count]


def scores(model: str, sources: dict[str, list[Case]]) -> dict[str, tuple[int, float]]:
    """Return images and mean Dice of each set, on the images' own grid."""
    from napari_medfreq.cli.train import of_model
    from napari_medfreq.engine.options import SegmentOptions
    from napari_medfreq.train.evaluate import evaluate

    found: dict[str, tuple[int, float]] = {}
    with of_model(model, SegmentOptions()) as judged:
        for name, cases in sources.items():
            scores = evaluate(cases, judged.predict, judged.labels).datasets
            rows = [overlap.dice for part in scores.values() for _, _, overlap in part.cases]
            found[name] = (len(rows), float(np.mean(rows)))
    return found


def learned(model: str, source: Path, index: Path | None, folder: Path, words: Sequence[str]) -> dict[str, Any]:
    """Learn as a user does, in a process of its own, and return the answer with the processor's seconds."""
    command = [sys.executable, "-c", "from napari_medfreq.cli.main import app; app()", "learn", str(source)]
    command += ["--model", model, "-o", str(folder / "learned"), "--run", str(folder / "run"), "--json", *words]
    if index is not None:
        command += ["--rehearse", str(index)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Learn, and measure before and after."""
    from napari_medfreq.io.models import open_model
    from napari_medfreq.train.cases import read_cases, split_cases

    data = Path(arguments.data)
    index = data / "index_2d.csv"
    parent = open_model(arguments.model)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_pictures(persons(data, "train", CORRECTIONS), folder / "corrections")
        write_pictures(persons(data, "test", TESTED), folder / "unseen")
        words = ["--steps", str(arguments.steps)] if arguments.steps else []
        answer = learned(arguments.model, folder / "corrections", None if arguments.alone else index, folder, words)
        figures = {key: answer[key] for key in ("better", "share", "seconds", "cpu_seconds", "held_out", "reasons")}
        if arguments.held_out:
            return figures | {"earlier": answer["earlier"]}
        sources: dict[str, list[Case]] = {"new: hippocampus slices": read_cases(folder / "unseen")}
        for case in split_cases(read_cases(index))["test"]:
            if case.task in parent.input.modalities:
                sources.setdefault(case.dataset, []).append(case)
        before, after = (scores(model, sources) for model in (arguments.model, answer["model"]))
    rows = {
        name: {"n": n, "before": round(dice, 4), "after": round(after[name][1], 4)}
        for name, (n, dice) in before.items()
    }
    falls = {name: row["before"] - row["after"] for name, row in rows.items() if not name.startswith("new")}
    return figures | {"dice": rows, "largest_fall": round(max(falls.values()), 4)}


def main() -> None:
    """Measure, and answer as a table or in JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning_pays", description=__doc__)
    parser.add_argument("--model", default="mmsnet-mix-b0")
    parser.add_argument("--data", type=Path, default=os.environ.get("MEDFREQ_DATA", "../shared/data"))
    parser.add_argument("--alone", action="store_true", help="without earlier data")
    parser.add_argument("--steps", type=int, help="instead of the default")
    parser.add_argument("--held-out", action="store_true", help="look at the corrections kept out alone (for tuning)")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    arguments = parser.parse_args()
    figures = measure(arguments)
    if arguments.json or arguments.held_out:
        print(json.dumps(figures, indent=2))
        return
    show(figures)


def show(figures: dict[str, Any]) -> None:
    """Answer as a table."""
    table = Table("Dice", "images", "before", "after", "change")
    for name, row in figures["dice"].items():
        change = f"{row['after'] - row['before']:+.3f}"
        table.add_row(name, str(row["n"]), f"{row['before']:.3f}", f"{row['after']:.3f}", change)
    screen = Console(width=None if sys.stdout.isatty() else 120)
    screen.print(table)
    screen.print(
        f"{figures['seconds']:.0f} s (goal {GOAL_SECONDS}), {figures['cpu_seconds']:.0f} s of the processor; largest "
        f"fall {figures['largest_fall']:.4f} (goal below {GOAL_FALL}); share of new weights {figures['share']}"
    )


if __name__ == "__main__":
    main()
