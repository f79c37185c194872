from __future__ import annotations

import pytest
import torch

from napari_medfreq.engine.memory import Footprint, first_footprint, is_out_of_memory, release, step_down
from napari_medfreq.errors import ComputeError

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


def test_it_steps_down_batch_tile_device_and_then_gives_up() -> None:
    footprint, shape, seen = Footprint(GPU, 4, 256), (256, 256), []
    while footprint != Footprint(CPU, 1, 64):
        footprint, text = step_down(footprint, shape, footprint.batch)
        seen.append((footprint.device.type, footprint.batch, min(footprint.tile, 256)))
        assert text.startswith("Not enough memory")
    with pytest.raises(ComputeError, match="Close other programs"):
        step_down(footprint, shape, 1)
    on_gpu = [("cuda", 2, 256), ("cuda", 1, 256), ("cuda", 1, 128), ("cuda", 1, 64)]
    assert seen[:4] == on_gpu
    assert seen[4][0] == "cpu"
    assert seen[-1] == ("cpu", 1, 64)


def test_a_batch_that_was_smaller_than_allowed_shrinks_from_what_it_was() -> None:
    assert step_down(Footprint(CPU, 64, 1024), (64, 64), 6)[0].batch == 3


def test_what_was_asked_for_is_kept() -> None:
    assert first_footprint(CPU, (2048, 2048), batch=3, tile=300) == Footprint(CPU, 3, 288)


@pytest.mark.parametrize("device", [CPU, GPU, torch.device("mps")])
def test_small_planes_come_in_batches_and_large_ones_alone(device: torch.device) -> None:
    small, large = first_footprint(device, (64, 64)), first_footprint(device, (4096, 4096))
    assert 8 <= small.batch <= 64
    assert large.tile < 4096
    assert large.batch < small.batch


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory"),
            True,
        ),
        (RuntimeError("MPS backend out of memory (MPS allocated: 5 GB)"), True),
        (RuntimeError("shape '[3]' is invalid"), False),
        (ValueError("out of memory"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_out_of_memory_is_told_from_other_failures(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_a_real_failure_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60)
    assert is_out_of_memory(caught.value)
    release(CPU)
