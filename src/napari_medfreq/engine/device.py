"""Where to compute, in which precision, and with which settings of the process."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from typing import TYPE_CHECKING

import torch

from napari_medfreq.errors import InputError

if TYPE_CHECKING:
    from napari_medfreq.engine.options import Precision

# Parameters of glibc's mallopt (malloc.h): keep freed memory instead of faulting it in again for every large tensor.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_MIB = 1 << 20


def pick_device(name: str = "auto") -> torch.device:
    """Return the device called `name`; ``auto`` is the CUDA device with the most free memory, else MPS, else the CPU.

    Raises
    ------
    InputError
        If this computer, or the PyTorch that is installed, does not have it.
    """
    if name == "auto":
        if torch.cuda.is_available():
            free = [torch.cuda.mem_get_info(i)[0] for i in range(torch.cuda.device_count())]
            return torch.device("cuda", free.index(max(free)))
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    available = available_devices()
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in available:
        raise InputError(f"There is no device {name!r} here. Choose one of: auto, {', '.join(available)}.")
    return torch.device(wanted)


def available_devices() -> list[str]:
    """Return the names of the devices that can be asked for."""
    names = ["cpu"]
    if torch.backends.mps.is_available():
        names.append("mps")
    if torch.cuda.is_available():
        names += [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    return names


def pick_precision(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the dtype of the network: as asked for; ``auto`` is bfloat16 where the processor has it in hardware."""
    if precision != "auto":
        return torch.float32 if precision == "float32" else torch.bfloat16
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = device.type == "cpu" and _cpu_has_bfloat16()
    return torch.bfloat16 if native else torch.float32


@cache
def _cpu_has_bfloat16() -> bool:
    # Older releases of torch cannot say; float32 is right everywhere.
    if not hasattr(torch.cpu, "get_capabilities"):
        return False
    capabilities = torch.cpu.get_capabilities()
    return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16"))


def tune_allocator() -> bool:
    """Make glibc keep freed memory for the next tensor; for the compute process only. Return whether it was done.

    Large tensors otherwise go back to the kernel and are faulted in again: 1.6 times slower for batches of images.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has no mallopt
        return False
    settings = {_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: 2048 * _MIB - 1, _M_TOP_PAD: 64 * _MIB}
    return [mallopt(parameter, value) for parameter, value in settings.items()] == [1] * len(settings)


def tune_threads(count: int | None = None) -> int:
    """Use `count` threads, by default one for each core that this process may run on; return how many there are now."""
    if count is None:
        allowed = len(os.sched_getaffinity(0)) if sys.platform.startswith("linux") else os.cpu_count() or 1
        count = min(allowed, torch.get_num_threads())
    torch.set_num_threads(max(1, count))
    return torch.get_num_threads()
