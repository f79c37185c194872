"""Large arrays cross between processes in memory-mapped files, not through a pickle.

A message is pickled as usual, except that each large array in it, at any depth, is replaced by an `ArrayHandle`:
where it lies in a file of a folder that both processes see. The file goes with its job, but an array that was opened
from it stays valid as long as it is used: the system keeps the pages of a deleted file that is mapped (and Windows does
not delete it before).
"""

from __future__ import annotations

import errno
import io
import mmap
import os
import pickle
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np

from napari_medfreq.errors import ComputeError
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy.typing as npt

    AnyArray = npt.NDArray[Any]

SUFFIX = ".array"
# Libraries of the compute side.
_COMPUTE_ONLY = {"torch", "monai", "lightning"}
# Below this many bytes a copy in the message is cheaper than a file.
_SMALL = 16 * 1024
# Elements copied at once: the interpreter is held for about a millisecond, and the viewer stays smooth.
_CHUNK = 2**18


@dataclass(frozen=True)
class ArrayHandle:
    """Where an array lies: `offset` and `strides` are in bytes, `file` is a name in the shared folder."""

    file: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0


@dataclass(frozen=True)
class _HeaderHandle:
    """Stands for the header of a `Volume` that stayed in the process that sent the volume."""

    number: int


class _AbsentHeader(dict[str, Any]):
    """The empty header that a sent volume has in the other process; it turns into the real one on the way back."""

    number = -1


class SharedArrays:
    """The arrays of one job, seen from one of the two processes.

    Parameters
    ----------
    folder : pathlib.Path
        A folder that both processes see. Files are made here and never deleted: the folder's owner does that.
    prefix : str
        Begins the names of the files made here; must differ between jobs and between the two processes.
    side : {"viewer", "compute"}
        What `loads` gives: on the compute side read-only arrays, on the viewer's side writable ones, which show what
        the other process writes. Headers of volumes stay on the viewer's side.
    """

    def __init__(self, folder: Path, prefix: str, side: Literal["viewer", "compute"]) -> None:
        self._folder = folder
        self._names = (f"{prefix}-{number}{SUFFIX}" for number in count())
        self.keeps_headers = side == "viewer"
        # Copy-on-write in the viewer would be a trap: a stroke of the brush would hide from it, for a whole page
        # of memory around, what the other process has still to write.
        self._access, self._file_mode = (mmap.ACCESS_WRITE, "r+b") if side == "viewer" else (mmap.ACCESS_READ, "rb")
        self._maps: dict[str, mmap.mmap] = {}
        self._opened: dict[ArrayHandle, AnyArray] = {}
        self._headers: list[dict[str, Any]] = []

    def allocate(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> AnyArray:
        """Return a zeroed, writable array of `shape` and `dtype` that lies in a file; disk space is taken at once.

        Raises
        ------
        ComputeError
            If the disk is full.
        """
        kind = np.dtype(dtype)
        size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
        if not size:
            return np.zeros(shape, kind)
        name = next(self._names)
        with (self._folder / name).open("x+b") as file:
            try:
                _reserve(file, size)
            except OSError as error:
                raise _disk_error(error, size, self._folder) from error
            self._maps[name] = mmap.mmap(file.fileno(), size)
        return np.ndarray(shape, kind, buffer=self._maps[name])

    def put(self, array: AnyArray, check: Callable[[], None] | None = None) -> ArrayHandle:
        """Copy `array`, of any layout, into a file in one pass and return where it lies.

        The order of the axes in memory is kept: a transposed array is neither slow to copy nor transposed twice.
        `check` is called between chunks and may raise.

        Raises
        ------
        ComputeError
            If the disk is full.
        """
        # A broadcast axis (stride 0) varies slowest.
        order = sorted(range(array.ndim), key=lambda axis: -(abs(array.strides[axis]) or array.nbytes))
        flat = array.transpose(order)
        name = next(self._names)
        try:
            with (self._folder / name).open("xb") as file:
                for chunk in _chunks(flat):
                    if check is not None:
                        check()
                    file.write(chunk)
        except OSError as error:
            raise _disk_error(error, array.nbytes, self._folder) from error
        strides = [0] * array.ndim
        step = array.itemsize
        for axis in reversed(order):
            strides[axis] = step
            step *= array.shape[axis]
        return ArrayHandle(name, array.dtype, array.shape, tuple(strides))

    def open(self, handle: ArrayHandle) -> AnyArray:
        """Return the array at `handle`; the same object if it was opened before."""
        array = self._opened.get(handle)
        if array is None:
            if handle.file not in self._maps:
                with (self._folder / handle.file).open(self._file_mode) as file:
                    self._maps[handle.file] = mmap.mmap(file.fileno(), 0, access=self._access)
            array = np.ndarray(handle.shape, handle.dtype, self._maps[handle.file], handle.offset, handle.strides)
            self._opened[handle] = array
        return array

    def handle_of(self, array: AnyArray) -> ArrayHandle | None:
        """Return where `array` lies, if it is a view of a file that was allocated or opened here."""
        if not array.size:
            return None
        address = array.__array_interface__["data"][0]
        reach = [(length - 1) * stride for length, stride in zip(array.shape, array.strides, strict=True)]
        first = address + sum(min(step, 0) for step in reach)
        last = address + sum(max(step, 0) for step in reach) + array.itemsize
        for name, buffer in self._maps.items():
            start = np.frombuffer(buffer, np.uint8).__array_interface__["data"][0]
            if start <= first and last <= start + len(buffer):
                return ArrayHandle(name, array.dtype, array.shape, array.strides, address - start)
        return None

    def dumps(self, message: object, check: Callable[[], None] | None = None) -> bytes:
        """Return `message` pickled, its large arrays left in files and its volumes' headers left here.

        Raises
        ------
        ComputeError
            If the disk is full.
        """
        buffer = io.BytesIO()
        _Pickler(buffer, self, check).dump(message)
        return buffer.getvalue()

    def loads(self, data: bytes) -> Any:
        """Return what `dumps` was given in the other process."""
        return _Unpickler(io.BytesIO(data), self).load()

    def keep_header(self, header: dict[str, Any]) -> _HeaderHandle:
        """Keep `header` in this process and return what stands for it in the other."""
        self._headers.append(header)
        return _HeaderHandle(len(self._headers) - 1)

    def header(self, handle: _HeaderHandle) -> dict[str, Any]:
        """Return the header that was kept here, or what stands for it if it was kept in the other process."""
        if handle.number < len(self._headers):
            return self._headers[handle.number]
        absent = _AbsentHeader()
        absent.number = handle.number
        return absent


class _Pickler(pickle.Pickler):
    """Leaves large arrays in files, and headers here: they may be large, or hold what cannot be pickled."""

    def __init__(self, file: BinaryIO, arrays: SharedArrays, check: Callable[[], None] | None) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._arrays = arrays
        self._check = check
        self._headers: dict[int, _HeaderHandle] = {}

    def persistent_id(self, item: Any) -> ArrayHandle | _HeaderHandle | None:
        if isinstance(item, np.ndarray):
            # Masked arrays and other relatives hold more than their numbers.
            if type(item) not in (np.ndarray, np.memmap) or item.dtype.hasobject:
                return None
            handle = self._arrays.handle_of(item)
            return self._arrays.put(item, self._check) if handle is None and item.nbytes > _SMALL else handle
        if isinstance(item, _AbsentHeader):
            return _HeaderHandle(item.number)
        if isinstance(item, dict):
            return self._headers.get(id(item))
        if isinstance(item, Volume) and self._arrays.keeps_headers:
            # Comes by before its own fields do.
            self._headers.setdefault(id(item.header), self._arrays.keep_header(item.header))
        return None


class _Unpickler(pickle.Unpickler):
    """Opens what `_Pickler` left in files; on the viewer's side it imports nothing that the viewer must do without."""

    def __init__(self, file: BinaryIO, arrays: SharedArrays) -> None:
        super().__init__(file)
        self._arrays = arrays

    def find_class(self, module: str, name: str) -> Any:
        if self._arrays.keeps_headers and module.partition(".")[0] in _COMPUTE_ONLY:
            # Loading torch would stop the viewer for seconds; even its version number is an object of its own.
            raise pickle.UnpicklingError(f"{module}.{name} must be made plain data before it is sent to the viewer")
        return super().find_class(module, name)

    def persistent_load(self, handle: ArrayHandle | _HeaderHandle) -> Any:
        return self._arrays.open(handle) if isinstance(handle, ArrayHandle) else self._arrays.header(handle)


def _chunks(array: AnyArray) -> Iterator[bytes]:
    """Yield the numbers of `array`, row by row, as bytes-like pieces; copies only where they are not contiguous."""
    contiguous: Any = [["readonly", "contig"]]
    flags: Any = ["external_loop", "buffered", "zerosize_ok"]
    with np.nditer(array, flags, contiguous, order="C", buffersize=_CHUNK) as iterator:
        chunks: Any = iterator
        for chunk in chunks:
            yield chunk.view(np.uint8).data


def _reserve(file: BinaryIO, size: int) -> None:
    """Make `file` hold `size` zeros that have their place on the disk.

    In a file with holes, writing to the map of a full disk would kill the process instead of raising an error.
    """
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            # Some file systems cannot; they get their zeros the slow way.
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
        else:
            return
    zeros = bytes(2**20)
    for start in range(0, size, len(zeros)):
        file.write(zeros[: size - start])
    file.flush()


def _disk_error(error: OSError, size: int, folder: Path) -> ComputeError:
    return ComputeError(
        f"{size / 1e6:.0f} MB of working space could not be had in {folder} ({error.strerror or error}). Free some "
        "space on that disk, or name a folder on another one in the environment variable TMPDIR (TEMP on Windows)."
    )
