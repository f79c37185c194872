"""A way to run the program as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def program(tmp_path: Path, models_folder: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``napari-medfreq`` in an empty folder, in a process of its own, with the tiny model at hand."""

    def run(*words: object, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "MEDFREQ_MODELS": str(models_folder), "COLUMNS": "200", **variables}
        command = [sys.executable, "-c", "from napari_medfreq.cli.main import app; app()", *map(str, words)]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
        )

    return run
