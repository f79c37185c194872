"""A slice of a missing contrast: bfloat16 beside the plain network in float32, four slices of a head at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.duel import duel, medians, ratio
from benchmarks.report import Result

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPE = (176, 144)  # a head at 1 mm
PLANES = 4
GOAL = 2.0


def prepare(precision: str, width: int) -> Callable[[], object]:
    """Return what makes four slices in `precision` with a network of `width` that sees three planes of each input."""
    import numpy as np
    import torch

    from napari_medfreq.engine.device import tune_allocator, tune_threads
    from napari_medfreq.nn.aegan import AEGANConfig, Synthesis
    from napari_medfreq.nn.aegan_planes import synthesise_planes

    tune_allocator()
    tune_threads()
    torch.manual_seed(0)
    network = Synthesis(AEGANConfig(width=width, slices=3, shortcut=True, skips=True, dropout=0.0)).eval()
    stacks = np.random.default_rng(0).random((3, PLANES, *SHAPE)).astype(np.float16)
    dtype = getattr(torch, precision)
    return lambda: list(synthesise_planes(network, stacks, 0, slices=3, batch=PLANES, precision=dtype))


def run() -> list[Result]:
    """Measure."""
    results = []
    for width in (16, 64):
        times = duel({name: (prepare, name, width) for name in ("bfloat16", "float32")}, rounds=7, warm_up=1)
        slices = {name: value / PLANES for name, value in medians(times).items()}
        what = f"a synthesised slice in bfloat16, beside float32, width {width}"
        results.append(Result(what, ratio(times, "float32", "bfloat16"), "x", GOAL, True, slices))
    return results
