"""Our segmentation beside the same network run plainly in PyTorch: eager, float32, slice by slice."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.duel import duel, medians, ratio
from benchmarks.networks import SIDE, picture, stack, write_model
from benchmarks.report import Result
from napari_medfreq.engine.options import SegmentOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_medfreq.engine.options import Precision

SETS = {"picture": picture, "stack": stack}


def ours(model: Path, what: str, precision: Precision) -> Callable[[], object]:
    """What a click runs, in a process set up as the compute process is."""
    from napari_medfreq.jobs import run as handlers
    from napari_medfreq.jobs.inline import InlineExecutor
    from napari_medfreq.jobs.messages import SegmentRequest

    if hasattr(handlers, "prepare_process"):
        handlers.prepare_process()
    executor = InlineExecutor()
    request = SegmentRequest(SETS[what](), str(model), SegmentOptions(device="cpu", precision=precision))
    return lambda: executor.submit(request).result()


def plain(model: Path, what: str) -> Callable[[], object]:
    """What one writes in a notebook: normalise, one slice after the other through the network, threshold."""
    import torch

    from napari_medfreq.engine.weights import load_network
    from napari_medfreq.io.models import open_model

    network = load_network(open_model(model))
    volume = SETS[what]()

    def segment() -> np.ndarray:
        data = volume.data.astype(np.float32)
        data = (data - data.min()) / (data.max() - data.min())
        planes = [data] if what == "picture" else [plane[None].repeat(3, axis=0) for plane in data]
        masks = []
        with torch.inference_mode():
            for plane in planes:
                probability = torch.sigmoid(network(torch.from_numpy(plane)[None]))
                masks.append((probability[0, 0] >= 0.5).numpy())
        return np.stack(masks)

    return segment


def run() -> list[Result]:
    """Measure."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        colour = write_model(Path(folder) / "colour", ("red", "green", "blue"), 1, SIDE)
        grey = write_model(Path(folder) / "grey", ("t1",), 3, 256)
        for name, model, what, rounds in (
            (f"one picture, {SIDE}x{SIDE}", colour, "picture", 9),
            ("a volume of 64 slices, 256x256", grey, "stack", 3),
        ):
            times = duel(
                {
                    "plain PyTorch": (plain, model, what),
                    "ours": (ours, model, what, "auto"),
                    "ours float32": (ours, model, what, "float32"),
                },
                rounds,
                warm_up=1,
            )
            found = ratio(times, "plain PyTorch", "ours")
            same = ratio(times, "plain PyTorch", "ours float32")
            results += [
                Result(f"{name}: ahead of plain PyTorch", found, "x", 1.0, True, medians(times)),
                Result(f"{name}: the same in float32", same, "x", None, True, {}),
            ]
    return results
