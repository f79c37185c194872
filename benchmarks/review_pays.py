"""``python -m benchmarks.review_pays``: how much sooner corrections pay in the order of the queue.

The annotator is the true mask: a region that is looked at gets the truth. Regions of all test images stand in one
queue. What counts is the number of pixels that have to be looked at until a share of the whole gain of mean Dice is
reached, in the queue's order, in random order (mean of several shuffles) and largest first.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import track

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_medfreq.io.review import ReviewRegion
    from napari_medfreq.jobs.inline import InlineExecutor
    from napari_medfreq.train.cases import Case

SHARES = (0.25, 0.5, 0.75)
SHUFFLES = 20
PASSES = 20


@dataclass(frozen=True)
class Reviewed:
    """What the regions of an image are worth: the change of the mask's size and of its overlap with the truth."""

    hit: int
    mask: int
    truth: int
    regions: tuple[ReviewRegion, ...]
    hits: npt.NDArray[np.int64]
    """How much the overlap grows with each region."""
    sizes: npt.NDArray[np.int64]
    """How much the mask grows with each region."""


def reviewed(case: Case, model: str, executor: InlineExecutor) -> Reviewed:
    """Segment an image, find its regions and count what correcting each of them changes."""
    from napari_medfreq.engine.options import SegmentOptions
    from napari_medfreq.io.files import read
    from napari_medfreq.jobs.messages import SegmentRequest
    from napari_medfreq.jobs.review_requests import QueueRequest

    image, stored = read(case.image)[0], read(case.mask)[0].data
    truth = stored >= 128 if stored.max() > 127 else stored > 0
    truth = truth[0] if truth.ndim > 2 else truth
    found = executor.submit(SegmentRequest(image, model, SegmentOptions(passes=PASSES))).result()
    values = tuple(region.label.value for region in found.regions)
    request = QueueRequest(found.labels, found.probability, found.uncertainty, values)
    queue = executor.submit(request).result()
    mask = found.labels.data > 0
    count = len(queue.regions) + 1
    inside = np.bincount(queue.map[truth & ~mask], minlength=count)
    lost = np.bincount(queue.map[mask & ~truth], minlength=count)
    return Reviewed(
        hit=int((mask & truth).sum()),
        mask=int(mask.sum()),
        truth=int(truth.sum()),
        regions=queue.regions,
        hits=inside[1:],
        sizes=(inside - lost)[1:],
    )


def curve(images: list[Reviewed], order: list[tuple[int, int]]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the pixels looked at and the mean Dice after each region of `order`, (image, region) pairs."""
    hit = np.array([float(image.hit) for image in images])
    total = np.array([float(image.mask + image.truth) for image in images])
    dice = 2 * hit / np.maximum(total, 1)
    pixels, means = [0], [float(dice.mean())]
    for image, region in order:
        hit[image] += images[image].hits[region]
        total[image] += images[image].sizes[region]
        dice[image] = 2 * hit[image] / max(total[image], 1)
        pixels.append(pixels[-1] + images[image].regions[region].voxels)
        means.append(float(dice.mean()))
    return np.array(pixels), np.array(means)


def pixels_at(pixels: npt.NDArray[Any], dice: npt.NDArray[Any], shares: tuple[float, ...]) -> list[float]:
    """Return how many pixels were looked at when each share of the whole gain was reached."""
    gained = np.maximum.accumulate((dice - dice[0]) / max(dice[-1] - dice[0], 1e-12))
    return [float(pixels[np.argmax(gained >= share - 1e-9)]) for share in shares]


def measure(images: list[Reviewed]) -> tuple[dict[str, Any], dict[str, tuple[Any, Any]]]:
    """Return the figures, and the curves that they come from."""
    regions = [(i, r) for i, image in enumerate(images) for r in range(len(image.regions))]
    rng = np.random.default_rng(0)
    by_priority = sorted(regions, key=lambda pair: -images[pair[0]].regions[pair[1]].priority)
    by_size = sorted(regions, key=lambda pair: -images[pair[0]].regions[pair[1]].voxels)
    curves = {"queue": curve(images, by_priority), "largest first": curve(images, by_size)}
    shuffled = [curve(images, [regions[k] for k in rng.permutation(len(regions))]) for _ in range(SHUFFLES)]
    curves["random"] = shuffled[0]
    queue, largest = (np.array(pixels_at(*curves[name], SHARES)) for name in ("queue", "largest first"))
    chance = np.mean([pixels_at(*one, SHARES) for one in shuffled], axis=0)
    middle = SHARES.index(0.5)
    first, last = curves["queue"][1][[0, -1]]
    figures = {
        "images": len(images),
        "regions": len(regions),
        "dice_before": round(float(first), 4),
        "dice_after_all": round(float(last), 4),
        "pixels_queue_to_random": round(float(queue[middle] / chance[middle]), 4),
        "pixels_queue_to_largest": round(float(queue[middle] / largest[middle]), 4),
        "at_share_of_gain": {
            f"{share:.2f}": {"queue_to_random": round(float(a / b), 4), "queue_to_largest": round(float(a / c), 4)}
            for share, a, b, c in zip(SHARES, queue, chance, largest, strict=True)
        },
    }
    return figures, curves


def main() -> None:
    """Measure on the test images of the mixed sets."""
    from napari_medfreq.io.models import open_model
    from napari_medfreq.jobs.inline import InlineExecutor
    from napari_medfreq.train.cases import read_cases, split_cases

    parser = argparse.ArgumentParser(prog="python -m benchmarks.review_pays", description=__doc__)
    parser.add_argument("--limit", type=int, help="take this many images of each set; by default all")
    parser.add_argument("--model", default="mmsnet-mix-b0")
    parser.add_argument("--data", type=Path, default=os.environ.get("MEDFREQ_DATA", "../shared/data"))
    parser.add_argument("--curve", type=Path, help="write the curves to this CSV file")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    arguments = parser.parse_args()
    wanted = open_model(arguments.model).input.modalities
    cases = split_cases(read_cases(Path(arguments.data) / "index_2d.csv"))["test"]
    chosen: dict[str, list[Case]] = {}
    for case in cases:
        if case.task in wanted:
            chosen.setdefault(case.dataset, []).append(case)
    few = [case for group in chosen.values() for case in group[: arguments.limit]]
    screen = Console(stderr=True)
    executor = InlineExecutor()
    images = [reviewed(case, arguments.model, executor) for case in track(few, "segmenting", console=screen)]
    figures, curves = measure([image for image in images if image.truth])
    if arguments.curve:
        with arguments.curve.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(("order", "pixels", "dice"))
            for name, (pixels, dice) in curves.items():
                kept = np.unique(np.linspace(0, len(pixels) - 1, 200).astype(int))
                rows.writerows((name, int(pixels[k]), round(float(dice[k]), 5)) for k in kept)
    Console().print_json(json.dumps(figures)) if not arguments.json else print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
