"""``napari-medfreq info``: what is installed, what it can compute on, and where it looks for things."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer

from napari_medfreq.cli import console

LIBRARIES = ("napari-medfreq", "torch", "numpy", "monai", "nibabel", "SimpleITK", "pydicom", "highdicom", "napari")
QT_LIBRARIES = ("PySide6", "PyQt6", "PyQt5")


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(info)


def info(as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False) -> None:
    """Show versions, devices, memory and folders: what a bug report needs."""
    facts = collect()
    if as_json:
        console.print_json(facts)
        return
    screen = console.out()
    for section, entries in facts.items():
        screen.print(section, style="bold")
        for name, value in entries.items():
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            screen.print(f"  {name:<20} {text or 'none'}", markup=False, soft_wrap=True)


def collect() -> dict[str, dict[str, Any]]:
    """Return the facts, section by section; JSON-serialisable."""
    return {
        "system": {
            "platform": platform.platform(),
            "python": platform.python_version(),
            "executable": sys.executable,
            "processor cores": os.cpu_count(),
            **_memory(),
        },
        "versions": {name: found for name in (*LIBRARIES, *QT_LIBRARIES) if (found := _version(name))},
        "devices": _devices(),
        "folders": _folders(),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _memory() -> dict[str, str]:
    import psutil

    memory = psutil.virtual_memory()
    return {
        "memory": console.bytes_in_words(memory.total),
        "memory available": console.bytes_in_words(memory.available),
    }


def _devices() -> dict[str, Any]:
    import torch

    devices: dict[str, Any] = {"cpu": f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads"}
    for index in range(torch.cuda.device_count()):
        found = torch.cuda.get_device_properties(index)
        devices[f"cuda:{index}"] = f"{found.name}, {console.bytes_in_words(found.total_memory)}"
    if torch.backends.mps.is_available():
        devices["mps"] = "Apple GPU"
    return devices


def _folders() -> dict[str, Any]:
    from napari_medfreq.io.models import find_models, model_paths

    return {
        "models": [f"{path}{'' if path.is_dir() else ' (absent)'}" for path in model_paths()],
        "models found": [model.name for model in find_models()],
        "data (MEDFREQ_DATA)": os.environ.get("MEDFREQ_DATA", ""),
    }
