"""What the two processes say to each other; payloads are pickled by `SharedArrays`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import sys
    from multiprocessing.connection import Connection

    if sys.platform == "win32":
        from multiprocessing.connection import PipeConnection

        AnyConnection: TypeAlias = Connection | PipeConnection
    else:
        AnyConnection: TypeAlias = Connection


@dataclass(frozen=True)
class Run:
    """To the child: run the request in `payload` as job number `job`."""

    job: int
    payload: bytes


@dataclass(frozen=True)
class Cancel:
    """To the child: give up job number `job`."""

    job: int


@dataclass(frozen=True)
class Happened:
    """From the child: an event of a job."""

    job: int
    payload: bytes


@dataclass(frozen=True)
class Done:
    """From the child: the result of a job."""

    job: int
    payload: bytes


@dataclass(frozen=True)
class Failed:
    """From the child: a job has failed.

    Attributes
    ----------
    error : str
        Name of the class in `napari_medfreq.errors`.
    message : str
        For the user.
    details : str
        The traceback, for the log.
    """

    job: int
    error: str
    message: str
    details: str


FromChild: TypeAlias = Happened | Done | Failed

# Environment variables by which the child learns where to report. The key is worth nothing outside this user's account.
ADDRESS = "NAPARI_MEDFREQ_ADDRESS"
KEY = "NAPARI_MEDFREQ_KEY"
FOLDER = "NAPARI_MEDFREQ_FOLDER"
HANDLERS = "NAPARI_MEDFREQ_HANDLERS"
