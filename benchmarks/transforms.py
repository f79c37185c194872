"""Our transforms beside those that pip can install: exactness, redundancy, memory, and the time of each direction.

All contestants run in processes of their own with the allocator of the compute process, and take turns.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.duel import duel, medians, ratio
from benchmarks.peers import codec, leaves, missing
from benchmarks.report import Result

if TYPE_CHECKING:
    from collections.abc import Callable

Shape = tuple[int, ...]
SINGLE: Shape = (1, 1, 512, 512)
BATCH: Shape = (8, 3, 352, 352)
CONTOURLET, NONSUBSAMPLED, WAVELET = "contourlet", "non-subsampled contourlet", "wavelet"
UDCT, DTCWT, PTWT, TORCH_DCT = "UDCT of curvelets", "DTCWT of pytorch_wavelets", "ptwt", "torch-dct"
MULTISCALE = (CONTOURLET, NONSUBSAMPLED, UDCT, DTCWT, WAVELET, PTWT)
COSINE = ("DCT", "scipy DCT", TORCH_DCT)
_MIB = 2**20
_RUNS = 5


def work(name: str, shape: Shape, task: str) -> Callable[[], object]:
    """Prepare one of ``forward``, ``inverse``, ``backward`` (the gradient alone), ``gradient`` (with the forward)."""
    import torch

    from napari_medfreq.engine.device import tune_allocator

    tune_allocator()
    transform = codec(name, shape)
    image = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    if task in ("forward", "inverse"):
        coefficients = transform.analyse(image)

        def run() -> object:
            with torch.no_grad():
                return transform.analyse(image) if task == "forward" else transform.synthesise(coefficients)

        return run
    image.requires_grad_()
    parts = list(leaves(transform.analyse(image)))
    gradients = [torch.ones_like(part) for part in parts]
    if task == "backward":
        return lambda: torch.autograd.grad(parts, image, gradients, retain_graph=True)
    return lambda: torch.autograd.grad(list(leaves(transform.analyse(image))), image, gradients)


def facts(name: str, shape: Shape) -> dict[str, float]:
    """Return the worst reconstruction error in float32, the redundancy, and the memory that analysis takes, MiB."""
    import psutil
    import torch

    transform = codec(name, shape)
    image = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        # The first call also fills caches: masks and plans are no part of what an analysis takes.
        size = sum(part.numel() * (2 if part.is_complex() else 1) for part in leaves(transform.analyse(image)))
        _tidy()
        before = psutil.Process().memory_info().rss
        coefficients = transform.analyse(image)
        peak = _peak()
        back = torch.as_tensor(transform.synthesise(coefficients))
    error = float((back[..., : shape[-2], : shape[-1]] - image).abs().max())
    return {"error": error, "redundancy": size / image.numel(), "memory": max(peak - before, 0) / _MIB}


def run() -> list[Result]:
    """Measure."""
    results = []
    for name in sorted({*MULTISCALE, *COSINE}):
        if missing(name):
            print(f"{name} is not installed; make bench-transforms does it", file=sys.stderr)
    for name in (*MULTISCALE, *COSINE):
        if not missing(name):
            results += _facts(name, SINGLE if name in MULTISCALE else BATCH)
    return [*results, *_contourlet(SINGLE, 0.7), *_contourlet(BATCH, 0.5), *_nonsubsampled(), *_wavelets(), *_cosines()]


def _facts(name: str, shape: Shape) -> list[Result]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = pool.submit(facts, name, shape).result()
    what = f"{name}, {_size(shape)}"
    goal = None if missing(name) or name in (UDCT, DTCWT, PTWT, TORCH_DCT, "scipy DCT") else 2e-6
    return [
        Result(f"{what}: reconstruction error, float32", found["error"], "", goal, False, {}),
        Result(f"{what}: redundancy", found["redundancy"], "x", None, False, {}),
        Result(f"{what}: memory of an analysis", found["memory"], "MiB", None, False, {}),
    ]


def _contourlet(shape: Shape, goal: float) -> list[Result]:
    limits = {name: (work, name, shape, "forward") for name in ("memory copy", "bare FFT")}
    times = duel({**_turns((CONTOURLET, UDCT, DTCWT), shape), **limits}, runs=_RUNS if shape == SINGLE else 1)
    what = f"contourlet {_size(shape)}"
    return [
        *_beside(f"{what}: analysis", times, f"{CONTOURLET} forward", f"{UDCT} forward", goal),
        *_beside(f"{what}: analysis", times, f"{CONTOURLET} forward", f"{DTCWT} forward"),
        *_beside(f"{what}: synthesis", times, f"{CONTOURLET} inverse", f"{CONTOURLET} forward", 2.0),
        *_beside(f"{what}: gradient", times, f"{CONTOURLET} backward", f"{CONTOURLET} forward", 2.0),
        *_beside(f"{what}: synthesis", times, f"{CONTOURLET} inverse", f"{UDCT} inverse"),
        *_beside(f"{what}: analysis and gradient", times, f"{CONTOURLET} gradient", f"{UDCT} gradient"),
        *_beside(f"{what}: analysis and gradient", times, f"{CONTOURLET} gradient", f"{DTCWT} gradient"),
        *(_one(f"{what}: analysis", times, f"{CONTOURLET} forward", limit) for limit in limits),
    ]


def _nonsubsampled() -> list[Result]:
    limits = ("memory copy of 25 bands", "bare FFTs of 25 bands")
    times = duel(
        {
            **_turns((NONSUBSAMPLED,), SINGLE),
            **_turns((UDCT,), SINGLE, ("forward",)),
            **{name: (work, name, SINGLE, "forward") for name in limits},
        },
        runs=_RUNS,
    )
    what = "non-subsampled contourlet, 24 + 1 bands, 512x512"
    forward = f"{NONSUBSAMPLED} forward"
    return [
        *_beside(f"{what}: analysis", times, forward, f"{UDCT} forward", 25 / 8),
        _one(f"{what}: synthesis", times, f"{NONSUBSAMPLED} inverse", forward),
        _one(f"{what}: gradient", times, f"{NONSUBSAMPLED} backward", forward),
        *(_one(f"{what}: analysis", times, forward, limit) for limit in limits),
    ]


def _wavelets() -> list[Result]:
    times = duel(_turns((WAVELET, PTWT), SINGLE, ("forward", "inverse", "gradient")), runs=_RUNS)
    pairs = [(f"{WAVELET} {task}", f"{PTWT} {task}") for task in ("forward", "inverse", "gradient")]
    return [result for ours, theirs in pairs for result in _beside(f"{ours}, 512x512", times, ours, theirs)]


def _cosines() -> list[Result]:
    limits = {name: (work, name, BATCH, "forward") for name in ("memory copy", "bare FFT")}
    whole = duel(
        {
            **_turns(("DCT", TORCH_DCT), BATCH, ("forward", "inverse", "gradient")),
            **_turns(("scipy DCT",), BATCH, ("forward",)),
            **limits,
        },
        runs=_RUNS,
    )
    names = [name for side in (8, 32) for name in (f"{side}x{side} blocks", f"scipy {side}x{side} blocks")]
    blocks = duel({**_turns(tuple(names), BATCH, ("forward",)), **limits}, runs=_RUNS)
    what = f"DCT {_size(BATCH)}"
    return [
        *_beside(f"{what}: analysis", whole, "DCT forward", "scipy DCT forward", 1.1),
        *_ahead(f"{what}: analysis", whole, "DCT forward", f"{TORCH_DCT} forward"),
        *_ahead(f"{what}: analysis and gradient", whole, "DCT gradient", f"{TORCH_DCT} gradient", 4.0),
        *(_one(f"{what}: analysis", whole, "DCT forward", limit) for limit in limits),
        *(
            result
            for side in ("8x8", "32x32")
            for ours, theirs in [(f"{side} blocks forward", f"scipy {side} blocks forward")]
            for result in (
                *_ahead(f"DCT of {side} blocks, {_size(BATCH)}", blocks, ours, theirs, 1.8),
                *(_one(f"DCT of {side} blocks, {_size(BATCH)}", blocks, ours, limit) for limit in limits),
            )
        ),
    ]


def _turns(
    names: tuple[str, ...], shape: Shape, tasks: tuple[str, ...] = ("forward", "inverse", "backward", "gradient")
) -> dict[str, tuple[Any, ...]]:
    """Return the contestants `NAME TASK` for all that are installed."""
    return {f"{name} {task}": (work, name, shape, task) for name in names if not missing(name) for task in tasks}


def _one(what: str, times: dict[str, list[float]], ours: str, other: str, goal: float | None = None) -> Result:
    middle = medians(times)
    both = {name: middle[name] for name in (ours, other)}
    return Result(f"{what}, beside {other.removesuffix(' forward')}", ratio(times, ours, other), "x", goal, False, both)


def _beside(what: str, times: dict[str, list[float]], ours: str, other: str, goal: float | None = None) -> list[Result]:
    """Return our time as a share of theirs, or nothing if the peer is not there."""
    return [_one(what, times, ours, other, goal)] if other in times else []


def _ahead(what: str, times: dict[str, list[float]], ours: str, other: str, goal: float | None = None) -> list[Result]:
    """Return how many times as long the other takes, or nothing if it is not there."""
    if other not in times:
        return []
    both = {name: medians(times)[name] for name in (ours, other)}
    return [
        Result(f"{what}, ahead of {other.removesuffix(' forward')}", ratio(times, other, ours), "x", goal, True, both)
    ]


def _size(shape: Shape) -> str:
    return "x".join(map(str, shape))


def _tidy() -> None:
    """Give freed memory back and let the kernel count the peak anew, where that can be done (Linux)."""
    if not sys.platform.startswith("linux"):
        return
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak() -> int:
    """Return the peak of resident memory, bytes."""
    import psutil

    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    if sys.platform.startswith("linux"):
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    import resource

    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
