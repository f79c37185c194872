"""Requests that misbehave in every way a computation can, and their handlers; run in a real child process."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_medfreq import errors
from napari_medfreq.jobs.messages import Request
from napari_medfreq.volume import Volume


@dataclass(frozen=True, eq=False)
class Echo(Request[Any]):
    """Gives back what it is given."""

    value: Any = None


@dataclass(frozen=True, eq=False)
class Describe(Request[dict[str, Any]]):
    """Says what arrived of `array`."""

    array: np.ndarray


@dataclass(frozen=True, eq=False)
class Double(Request[Volume]):
    """Doubles a volume slice by slice, telling of each."""

    volume: Volume


@dataclass(frozen=True)
class Steps(Request[int]):
    """Reports `count` steps, checking before each whether to give up; 0 goes on for ever."""

    count: int = 0


@dataclass(frozen=True)
class Hang(Request[None]):
    """Reports once, then hangs in a call that nothing interrupts."""

    flood: bool = False


@dataclass(frozen=True, eq=False)
class FillThenDie(Request[None]):
    """Fills an array, then ends its process by `number` (a signal) or with the exit code `code`."""

    number: int | None = None
    code: int = 0
    words: str = ""


@dataclass(frozen=True)
class Fail(Request[None]):
    """Raises."""

    kind: str


@dataclass(frozen=True)
class Giveaway(Request[Any]):
    """Gives what cannot be sent, or cannot be read by the viewer's process."""

    kind: str


@dataclass(frozen=True)
class State(Request[dict[str, Any]]):
    """Tells about the child process."""

    names: tuple[str, ...] = field(default=())


class OwnInputError(errors.InputError):
    """A subclass that the viewer's process does not know."""


class NastyError(Exception):
    """An error that can be neither pickled nor rebuilt."""

    def __init__(self, lock: Any, more: str) -> None:
        super().__init__(f"nasty {more}")
        self.lock = lock


def run(request: Any, sink: Any) -> Any:
    handler = globals().get(f"_{type(request).__name__.lower()}")
    return handler(request, sink) if handler is not None else None


def _echo(request: Echo, sink: Any) -> Any:
    return request.value


def _describe(request: Describe, sink: Any) -> dict[str, Any]:
    array = request.array
    return {
        "strides": array.strides,
        "writeable": array.flags.writeable,
        "sum": float(array.sum(dtype=np.float64)),
        "mapped": type(array.base).__name__,
    }


def _double(request: Double, sink: Any) -> Volume:
    data = request.volume.data
    result = sink.allocate("labels", data.shape, "float32")
    for index, plane in enumerate(data):
        sink.check()
        result[index] = plane * 2
        sink.partial("labels", ((index, index + 1), *((0, n) for n in data.shape[1:])))
        sink.progress(index + 1, len(data), "slices")
    sink.note("done")
    sys.stdout.write("a library that talks\n")
    return request.volume.like(result, kind="labels")


def _steps(request: Steps, sink: Any) -> int:
    done = 0
    while done < request.count or not request.count:
        sink.check()
        time.sleep(0.002)
        done += 1
        sink.progress(done, request.count, "steps")
    return done


def _hang(request: Hang, sink: Any) -> None:
    sink.progress(0, 1, "begun")
    while request.flood:
        sink.progress(0, 1, "flood")
    time.sleep(60)


def _fillthendie(request: FillThenDie, sink: Any) -> None:
    array = sink.allocate("labels", (64, 64), "uint8")
    array[:] = 7
    sink.partial("labels", ((0, 64), (0, 64)))
    if request.words:
        sys.stderr.write(request.words)
    if request.number is not None:
        os.kill(os.getpid(), request.number)
        signal.pause()
    os._exit(request.code)


def _fail(request: Fail, sink: Any) -> None:
    raise {
        "model": errors.ModelError("unet: the weights have another hash than the card says."),
        "own": OwnInputError("scan.nii: 5 channels for a model with 3."),
        "value": ValueError("shapes (3,) and (4,)\ndo not match"),
        "nasty": NastyError(threading.Lock(), "more"),
        "memory": MemoryError(),
        "cancelled": errors.Cancelled("enough"),
    }[request.kind]


def _giveaway(request: Giveaway, sink: Any) -> Any:
    if request.kind == "lambda":
        return lambda: None
    return _Unreadable()


class _Unreadable:
    """Can be pickled but not read again."""

    def __reduce__(self) -> Any:
        return (int, ("not a number",))


def _state(request: State, sink: Any) -> dict[str, Any]:
    environment = [name for name in os.environ if name.startswith("NAPARI_MEDFREQ")]
    nice = os.nice(0) if hasattr(os, "nice") else None
    return {
        "pid": os.getpid(),
        "modules": [name for name in request.names if name in sys.modules],
        "environment": environment,
        "nice": nice,
        "main": sys.modules["__main__"].__spec__.name,
        "path": sys.path[0],
    }
