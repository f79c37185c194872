from __future__ import annotations

import json
from typing import TYPE_CHECKING

import torch

import napari_medfreq

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Program = Callable[..., subprocess.CompletedProcess[str]]


def test_info_names_versions_devices_and_folders(program: Program, models_folder: Path) -> None:
    facts = json.loads(program("info", "--json").stdout)
    assert facts["versions"]["torch"] == torch.__version__
    assert facts["versions"]["napari-medfreq"] == napari_medfreq.__version__
    assert "threads" in facts["devices"]["cpu"]
    assert ("cuda:0" in facts["devices"]) == torch.cuda.is_available()
    assert facts["folders"]["models"][0] == str(models_folder)
    assert "tiny" in facts["folders"]["models found"]


def test_info_for_people_holds_the_same(program: Program) -> None:
    done = program("info")
    assert done.returncode == 0, done.stderr
    for word in ("system", "memory", "versions", torch.__version__, "cpu", "tiny"):
        assert word in done.stdout
