"""Programs that are started anew for each measurement: starting is what is measured, or a fresh viewer is needed."""

from __future__ import annotations

import os
import subprocess
import sys

from napari_medfreq.cli.demo import has_display, virtual_display


def milliseconds(module: str, *words: str) -> list[float]:
    """Run ``python -m benchmarks.MODULE WORDS`` on a display, virtual if need be; return the numbers it prints last.

    Raises
    ------
    RuntimeError
        If it fails.
    """
    command = [sys.executable, "-m", f"benchmarks.{module}", *words]
    environment = dict(os.environ)
    if not has_display(environment):
        command = [*virtual_display(), *command]
        environment["LIBGL_ALWAYS_SOFTWARE"] = "1"
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout.strip():
        raise RuntimeError(f"{' '.join(command)} ended with status {done.returncode}:\n{done.stderr}")
    return [float(word) for word in done.stdout.strip().splitlines()[-1].split()]
