"""What to do when the memory does not suffice: smaller batches, then smaller tiles, then the CPU."""

from __future__ import annotations

import gc
from dataclasses import dataclass, replace

import torch

from napari_medfreq.engine.tiling import SMALLEST, fit_tile
from napari_medfreq.errors import ComputeError

_CPU = torch.device("cpu")
_BATCH_PIXELS = {"cpu": 1 << 18, "mps": 1 << 19, "cuda": 1 << 22}
_LARGEST_BATCH = 64
_LARGEST_TILE = 1024
_MESSAGES = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory", "alloc_cpu")


@dataclass(frozen=True)
class Footprint:
    """What is given to the network at once: `batch` planes (or tiles) of side `tile` pixels on `device`."""

    device: torch.device
    batch: int
    tile: int


def first_footprint(
    device: torch.device, shape: tuple[int, int], batch: int | None = None, tile: int | None = None
) -> Footprint:
    """Return what is tried first for planes of `shape` pixels; `batch` and `tile` are kept where they are given."""
    side = fit_tile(_LARGEST_TILE if tile is None else tile)
    if batch is None:
        pixels = min(side, shape[0]) * min(side, shape[1])
        batch = max(1, min(_LARGEST_BATCH, _BATCH_PIXELS.get(device.type, 1 << 18) // pixels))
    return Footprint(device, max(1, batch), side)


def step_down(footprint: Footprint, shape: tuple[int, int], planes: int) -> tuple[Footprint, str]:
    """Return the next smaller footprint for planes of `shape`, and what to tell the user.

    Parameters
    ----------
    footprint : Footprint
        What did not fit.
    shape : tuple of int
        Height and width of a whole plane on the working grid.
    planes : int
        How many planes the batch really held (the last one may be small).

    Raises
    ------
    ComputeError
        If there is nothing smaller.
    """
    if planes > 1:
        batch = planes // 2
        amount = "one slice" if batch == 1 else f"{batch} slices"
        return replace(footprint, batch=batch), f"Not enough memory: going on with {amount} at once."
    side = min(footprint.tile, max(shape))
    if side > SMALLEST:
        tile = fit_tile(side // 2)
        return replace(footprint, tile=tile), f"Not enough memory: going on in tiles of {tile} pixels."
    if footprint.device.type != "cpu":
        return first_footprint(_CPU, shape), "Not enough memory on the device: going on with the processor."
    raise ComputeError(
        "There is not enough memory for even the smallest tile. Close other programs or images and try again, "
        "or segment on a computer with more memory."
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether `error` says that memory ran out, on any device."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error).lower() for text in _MESSAGES)


def release(device: torch.device) -> None:
    """Hand memory that is not in use back to `device`, after a failure."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
