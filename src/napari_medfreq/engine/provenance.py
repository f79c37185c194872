"""What repeats a result: model, options, seed, versions, device."""

from __future__ import annotations

import platform
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import napari_medfreq

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_medfreq.engine.options import SegmentOptions
    from napari_medfreq.engine.synthesis_options import SynthesisOptions
    from napari_medfreq.io.models import ModelFolder
    from napari_medfreq.volume import Volume


def describe(
    model: ModelFolder,
    source: Volume,
    options: SegmentOptions | SynthesisOptions,
    *,
    device: torch.device,
    precision: torch.dtype,
    seconds: float,
    notes: Sequence[str],
) -> dict[str, Any]:
    """Return what the provenance file beside a result says; JSON-serialisable.

    Parameters
    ----------
    model, source, options
        What was asked for.
    device, precision
        Where and how it was computed in the end.
    seconds : float
        How long it took.
    notes : sequence of str
        What the user was told meanwhile.
    """
    return {
        "model": {"name": model.name, "version": model.version, "sha256": model.sha256, "title": model.title},
        "source": {
            "name": source.name,
            "path": None if source.source is None else str(source.source),
            "shape": list(source.data.shape),
            "axes": source.axes,
        },
        "options": asdict(options),
        "device": str(device),
        "device_name": torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else platform.processor() or platform.machine(),
        "precision": str(precision).removeprefix("torch."),
        "versions": {
            "napari-medfreq": napari_medfreq.__version__,
            "python": platform.python_version(),
            "torch": str(torch.__version__),  # an object of torch otherwise, which drags torch into the viewer
            "numpy": np.__version__,
        },
        "seconds": round(seconds, 3),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "notes": list(notes),
    }
