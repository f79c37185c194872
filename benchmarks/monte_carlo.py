"""What passes cost: twenty Monte Carlo passes beside one, and beside running the whole network twenty times.

With dropout in the head alone and in the decoder as well, for a picture of 352 x 352 and for a volume of 64 slices.
``python -m benchmarks.monte_carlo --json`` states the four ratios of the former as `ratio_20_to_1`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from benchmarks.duel import duel, medians, ratio
from benchmarks.networks import SIDE, picture, stack, write_model
from benchmarks.report import Result, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_medfreq.volume import Volume

PASSES = 20
DECODER = 0.1
GOALS = {"head": 1.2, "decoder": 2.0}
SOURCES = {f"{SIDE}x{SIDE} picture": (picture, ("red", "green", "blue"), 1), "64-slice volume": (stack, ("t1",), 3)}


def passes(model: Path, source: str, count: int, repeat: int) -> Callable[[], object]:
    """Segment with `count` passes, `repeat` times over."""
    from napari_medfreq.engine.options import SegmentOptions
    from napari_medfreq.jobs.inline import InlineExecutor
    from napari_medfreq.jobs.messages import SegmentRequest
    from napari_medfreq.jobs.run import prepare_process

    prepare_process()
    executor = InlineExecutor()
    volume: Volume = SOURCES[source][0]()
    request = SegmentRequest(volume, str(model), SegmentOptions(passes=count, device="cpu"))
    return lambda: [executor.submit(request).result() for _ in range(repeat)]


def compare(source: str, dropout: str) -> list[Result]:
    """Measure one source with dropout in the head, or in the decoder as well."""
    _, channels, slices = SOURCES[source]
    whole = source.endswith("picture")
    with tempfile.TemporaryDirectory() as folder:
        decoder = DECODER if dropout == "decoder" else 0.0
        model = write_model(Path(folder), channels, slices, SIDE if whole else 256, decoder_dropout=decoder)
        contestants = {"1 pass": (passes, model, source, 1, 1), f"{PASSES} passes": (passes, model, source, PASSES, 1)}
        if whole:
            contestants[f"{PASSES} whole runs"] = (passes, model, source, 1, PASSES)
        times = duel(contestants, rounds=9 if whole else 3, warm_up=2 if whole else 1)
    where = f"{source}, dropout in {'head' if dropout == 'head' else 'decoder and head'}"
    cost = ratio(times, f"{PASSES} passes", "1 pass")
    results = [Result(f"{PASSES} passes beside 1: {where}", cost, "x", GOALS[dropout], False, medians(times))]
    if whole:
        saved = ratio(times, f"{PASSES} whole runs", f"{PASSES} passes")
        results.append(Result(f"{PASSES} passes ahead of {PASSES} whole runs: {where}", saved, "x", None, True, {}))
    return results


def run() -> list[Result]:
    """Measure."""
    return [result for source in SOURCES for dropout in GOALS for result in compare(source, dropout)]


def main() -> None:
    """Measure, and answer as a table or in JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monte_carlo", description=sys.modules[__name__].__doc__)
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    as_json = parser.parse_args().json
    ratios: dict[str, dict[str, float]] = {}
    results: list[Result] = []
    for dropout in GOALS:
        for source in SOURCES:
            found = compare(source, dropout)
            results += found
            ratios.setdefault(dropout, {})[source] = round(found[0].value, 3)
    if as_json:
        print(
            json.dumps({"ratio_20_to_1": ratios, "goals": GOALS, "results": [r.to_json() for r in results]}, indent=2)
        )
    else:
        Console(width=None if sys.stdout.isatty() else 200).print(table(results))


if __name__ == "__main__":
    main()
