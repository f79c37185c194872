"""Arrays cross in files: whatever their layout, once, and never inside the message."""

from __future__ import annotations

import errno
import os
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_medfreq.errors import Cancelled, ComputeError
from napari_medfreq.jobs.arrays import SharedArrays
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def viewer(tmp_path: Path) -> SharedArrays:
    return SharedArrays(tmp_path, "1-request", "viewer")


@pytest.fixture
def compute(tmp_path: Path) -> SharedArrays:
    return SharedArrays(tmp_path, "1-result", "compute")


def cube(dtype: str = "float32") -> np.ndarray:
    return np.arange(40 * 50 * 60).reshape(40, 50, 60).astype(dtype)


LAYOUTS = {
    "contiguous": lambda a: a,
    "transposed": lambda a: a.T,
    "permuted": lambda a: a.transpose(1, 2, 0),
    "flipped": lambda a: a[::-1, :, ::-1],
    "flipped and permuted": lambda a: a.transpose(2, 0, 1)[:, ::-1],
    "every other": lambda a: a[::2, 1::3, ::2],
    "single slices": lambda a: a[:1, :, None],
    "broadcast": lambda a: np.broadcast_to(a[:, :, :1], (5, *a.shape)),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_arrives_equal(viewer: SharedArrays, compute: SharedArrays, layout: str) -> None:
    array = LAYOUTS[layout](cube())
    arrived = compute.open(viewer.put(array))
    np.testing.assert_array_equal(arrived, array)
    assert arrived.dtype == array.dtype
    assert not arrived.flags.writeable


@pytest.mark.parametrize("dtype", [">i2", "bool", "uint8", "float16", "complex64", "datetime64[s]", "i2,f4"])
def test_any_type_arrives_equal(viewer: SharedArrays, compute: SharedArrays, dtype: str) -> None:
    array = np.zeros((30, 40, 50), dtype) if "," in dtype else (cube("int64") % 1000).astype(dtype)
    arrived = compute.open(viewer.put(array))
    assert arrived.dtype == array.dtype
    np.testing.assert_array_equal(arrived, array)


def test_order_in_memory_is_kept(viewer: SharedArrays, compute: SharedArrays) -> None:
    array = cube().transpose(2, 0, 1)
    assert compute.open(viewer.put(array)).strides == array.strides


def test_large_array_is_not_in_the_message(viewer: SharedArrays, compute: SharedArrays, tmp_path: Path) -> None:
    array = np.zeros((200, 1000, 1000), np.uint8)  # 200 MB
    array[::7] = 3
    message = viewer.dumps({"deep": [Volume(array)]})
    assert len(message) < 2000
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) == array.nbytes
    arrived = compute.loads(message)["deep"][0].data
    assert type(arrived) is np.ndarray
    np.testing.assert_array_equal(arrived, array)


def test_small_arrays_need_no_file(viewer: SharedArrays, compute: SharedArrays, tmp_path: Path) -> None:
    np.testing.assert_array_equal(compute.loads(viewer.dumps(np.eye(4))), np.eye(4))
    assert list(tmp_path.iterdir()) == []


def test_masked_and_object_arrays_are_pickled_whole(viewer: SharedArrays, compute: SharedArrays) -> None:
    masked = np.ma.masked_greater(cube(), 100.0)
    assert compute.loads(viewer.dumps(masked)).count() == 101
    objects = np.array([{"a": 1}] * 5000, dtype=object)
    assert compute.loads(viewer.dumps(objects))[-1] == {"a": 1}


def test_allocated_array_is_shared_while_it_fills(viewer: SharedArrays, compute: SharedArrays) -> None:
    result = compute.allocate((4, 300, 300), "float16")
    assert not result.any()
    seen = viewer.loads(compute.dumps(result))
    result[2] = 0.5
    assert seen[2].min() == 0.5
    assert viewer.loads(compute.dumps({"again": result}))["again"] is seen


def test_views_of_an_allocated_array_are_not_copied(
    viewer: SharedArrays, compute: SharedArrays, tmp_path: Path
) -> None:
    result = compute.allocate((4, 300, 300), "float32")
    result[...] = np.random.default_rng(0).random(result.shape)
    for view in (result[1], result[:, ::-1, ::-2], result.transpose(2, 0, 1)):
        np.testing.assert_array_equal(viewer.loads(compute.dumps(view)), view)
    assert len(list(tmp_path.iterdir())) == 1


def test_request_array_that_is_also_the_result_is_not_copied(
    viewer: SharedArrays, compute: SharedArrays, tmp_path: Path
) -> None:
    array = compute.loads(viewer.dumps(cube()))
    np.testing.assert_array_equal(viewer.loads(compute.dumps(array)), cube())
    assert len(list(tmp_path.iterdir())) == 1


def test_arrays_made_without_asking_cross_in_files_too(
    viewer: SharedArrays, compute: SharedArrays, tmp_path: Path
) -> None:
    message = compute.dumps(cube())
    assert len(message) < 1000
    np.testing.assert_array_equal(viewer.loads(message), cube())


def test_painting_hides_nothing_that_is_computed_later(viewer: SharedArrays, compute: SharedArrays) -> None:
    result = compute.allocate((100, 100), "uint8")
    seen: Any = viewer.loads(compute.dumps(result))
    seen[10, 10] = 9
    result[20:] = 1
    assert seen[10, 10] == 9
    assert seen[20:].min() == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows does not delete files that are mapped")
def test_array_outlives_its_file(viewer: SharedArrays, compute: SharedArrays, tmp_path: Path) -> None:
    result = compute.allocate((1000, 1000), "uint8")
    result[:] = 4
    seen = viewer.loads(compute.dumps(result))
    for file in tmp_path.iterdir():
        file.unlink()
    del result, compute
    assert seen.min() == 4


def test_empty_arrays(viewer: SharedArrays, compute: SharedArrays) -> None:
    empty = compute.allocate((0, 5), "float32")
    assert viewer.loads(compute.dumps(empty)).shape == (0, 5)


def test_headers_stay_at_home(viewer: SharedArrays, compute: SharedArrays) -> None:
    one = Volume(cube(), header={"file": open, "lambda": lambda: None}, name="one")
    two = Volume(cube(), header={"number": 2}, name="two")
    message = viewer.dumps((one, two, {"number": 2}))
    first, second, plain = compute.loads(message)
    assert (first.header, second.header, plain) == ({}, {}, {"number": 2})
    made = Volume(cube(), header={"made": "there"})
    back = viewer.loads(compute.dumps([second.like(second.data), first, made]))
    assert back[0].header is two.header
    assert back[1].header is one.header
    assert back[2].header == {"made": "there"}


def test_nothing_makes_the_viewer_load_torch(viewer: SharedArrays, compute: SharedArrays) -> None:
    import torch

    message = compute.dumps({"version": torch.__version__})
    with pytest.raises(pickle.UnpicklingError, match="plain data"):
        viewer.loads(message)
    assert compute.loads(message)["version"] == torch.__version__


def test_copying_can_be_given_up(viewer: SharedArrays) -> None:
    calls = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        viewer.dumps(np.zeros((100, 200, 200), np.float32), check)
    assert len(calls) == 3


def test_space_is_taken_when_asked_for(compute: SharedArrays, tmp_path: Path) -> None:
    compute.allocate((3000, 1000), "uint8")
    (file,) = tmp_path.iterdir()
    assert getattr(file.stat(), "st_blocks", 1e9) * 512 >= 3_000_000


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the other way is the only one here")
def test_space_is_taken_the_slow_way_where_the_file_system_asks_for_it(
    compute: SharedArrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    test_space_is_taken_when_asked_for(compute, tmp_path)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="asks for more than any disk has")
def test_full_disk_is_an_error_and_not_a_crash(compute: SharedArrays) -> None:
    with pytest.raises(ComputeError, match="TMPDIR"):
        compute.allocate((2**22, 2**20), "float32")


def test_handles_are_plain(viewer: SharedArrays) -> None:
    handle = viewer.put(cube())
    assert pickle.loads(pickle.dumps(handle)) == handle
