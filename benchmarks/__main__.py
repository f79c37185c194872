"""``python -m benchmarks [NAME...] [--json]``."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys

from rich.console import Console

from benchmarks.report import table

NAMES = (
    "plugin_import",
    "viewer_start",
    "event_loop",
    "encoder",
    "segmentation",
    "monte_carlo",
    "synthesis",
    "frequencies_dock",
    "review_dock",
)
ON_REQUEST = ("transforms",)  # it needs the peers that `make bench-transforms` installs


def main() -> None:
    """Run what was asked for; a missed goal is reported, a benchmark that cannot run makes the exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=sys.modules["benchmarks"].__doc__)
    known = (*NAMES, *ON_REQUEST)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; by default all but the last")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    screen = Console(stderr=True)
    results, failed = [], []
    for name in arguments.names or NAMES:
        screen.print(f"measuring {name} ...", style="dim")
        try:
            results += importlib.import_module(f"benchmarks.{name}").run()
        except Exception:  # noqa: BLE001 - the others are still worth their answer
            screen.print_exception()
            failed.append(name)
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "os": platform.system(),
    }
    if arguments.json:
        print(json.dumps({"machine": machine, "results": [r.to_json() for r in results], "failed": failed}, indent=2))
    else:
        Console(width=None if sys.stdout.isatty() else 200).print(table(results))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
