from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from napari_medfreq.engine.device import available_devices, pick_device, pick_precision, tune_threads
from napari_medfreq.errors import InputError


def test_the_processor_is_always_there() -> None:
    assert pick_device("cpu") == torch.device("cpu")
    assert str(pick_device("auto")).split(":")[0] in {"cpu", "mps", "cuda"}


@pytest.mark.parametrize("name", ["cuda:97", "tpu", "", "cuda:x"])
def test_a_device_that_is_not_there_is_named_with_those_that_are(name: str) -> None:
    with pytest.raises(InputError, match="Choose one of: auto, cpu"):
        pick_device(name)
    assert name not in available_devices()


def test_precision_is_what_was_asked_for() -> None:
    cpu = torch.device("cpu")
    assert pick_precision("float32", cpu) is torch.float32
    assert pick_precision("bfloat16", cpu) is torch.bfloat16
    assert pick_precision("auto", cpu) in {torch.float32, torch.bfloat16}
    assert pick_precision("auto", torch.device("mps")) is torch.float32


def test_the_process_can_be_tuned() -> None:
    """In a process of its own, since the allocator cannot be set back."""
    code = (
        "import sys, torch\n"
        "from napari_medfreq.engine.device import tune_allocator, tune_threads\n"
        "done = tune_allocator()\n"
        "assert done in (True, False) and (done or sys.platform != 'linux' or 'musl' in sys.version)\n"
        "assert torch.ones(3000, 3000).sum() == 9e6\n"
        "assert 1 <= tune_threads() <= torch.get_num_threads()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_threads_can_be_set() -> None:
    before = torch.get_num_threads()
    try:
        assert tune_threads(1) == 1
    finally:
        torch.set_num_threads(before)
