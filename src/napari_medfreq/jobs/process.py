"""One compute process, seen from the viewer's: start it, talk to it, end it, say why it ended."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Listener
from typing import TYPE_CHECKING, Protocol

from napari_medfreq.jobs import wire

if TYPE_CHECKING:
    from pathlib import Path

_BROKEN = (EOFError, OSError, AuthenticationError)
_LOG_BYTES = 4096


class Owner(Protocol):
    """Who is told about a child; every method is called in a thread of the child's and must return at once."""

    def connected(self, child: ChildProcess) -> None:
        """Say that `child` can be sent to."""

    def received(self, child: ChildProcess, message: wire.FromChild) -> None:
        """Pass on what `child` said."""

    def gone(self, child: ChildProcess) -> None:
        """Say that `child` has ended, after all that it said; called exactly once."""


class ChildProcess:
    """A fresh interpreter that runs `napari_medfreq.jobs.child`.

    Neither forked nor started through `multiprocessing`: it inherits nothing of the viewer and does not import the
    viewer's ``__main__`` again. What it prints goes to a log file.

    Parameters
    ----------
    folder : pathlib.Path
        Where the shared arrays and the log lie.
    handlers : str
        Module whose ``run(request, sink)`` answers requests.
    owner : Owner
        Who is told what happens.

    Raises
    ------
    OSError
        If the system starts no more processes.
    """

    def __init__(self, folder: Path, handlers: str, owner: Owner) -> None:
        self.ready = False
        self._owner = owner
        self._key = secrets.token_bytes(32)
        self._log = folder / f"child-{secrets.token_hex(4)}.log"
        self._connection: wire.AnyConnection | None = None
        self._listener = Listener(authkey=self._key)
        try:
            self._process = self._start(folder, handlers)
        except OSError:
            self._listener.close()
            raise
        self._reader = threading.Thread(target=self._read, name="medfreq-read", daemon=True)
        self._reader.start()
        threading.Thread(target=self._watch, name="medfreq-watch", daemon=True).start()

    def send(self, message: wire.Run | wire.Cancel) -> None:
        """Send `message`; to a child that is ending it is lost without a word, and the owner hears of the end."""
        with suppress(OSError):
            if self._connection is not None:
                self._connection.send(message)

    def kill(self) -> None:
        """End the process at once, without waiting for it."""
        with suppress(OSError):
            self._process.kill()

    def close(self) -> None:
        """Give back the connection and the log of a child that is gone."""
        # A process that the child has started may still hold the other end and keep the reader waiting.
        if self._connection is not None and not self._reader.is_alive():
            self._connection.close()
        with suppress(OSError):
            self._log.unlink(missing_ok=True)

    def wait(self, seconds: float) -> None:
        """Wait until the process has ended, for so long at most."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def last_words(self) -> str:
        """Return the end of what the child printed: warnings, the stack at a crash."""
        with suppress(OSError), self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - _LOG_BYTES))
            return log.read().decode(errors="replace").strip()
        return ""

    def describe_end(self) -> str:
        """Say in words for the user why a child that is gone has ended."""
        what = _describe(self._process.returncode)
        if not self.ready:
            return f"{what} while it was starting. If this happens again, reinstall the plugin; the log says more."
        return f"{what}. Images and masks in the viewer are as they were; the next request starts a new process."

    def _start(self, folder: Path, handlers: str) -> subprocess.Popen[bytes]:
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS
        environment = os.environ | {
            wire.ADDRESS: str(self._listener.address),
            wire.KEY: self._key.hex(),
            wire.FOLDER: str(folder),
            wire.HANDLERS: handlers,
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8:backslashreplace",
        }
        # -P: a file named torch.py in the folder where the viewer was started must not be imported.
        command = [sys.executable, "-P", "-m", "napari_medfreq.jobs.child"]
        with self._log.open("wb") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                creationflags=flags,
            )

    def _read(self) -> None:
        """Pass on what the child says until it is silent for ever."""
        with suppress(*_BROKEN):
            with self._listener:
                connection = self._connection = self._listener.accept()
            if self._process.poll() is None:
                self._owner.connected(self)
            while True:
                self._owner.received(self, connection.recv())
        # Whoever has closed the connection cannot be given work any more.
        self.kill()

    def _watch(self) -> None:
        """Wait for the end of the process, then see to it that the reader ends too."""
        self._process.wait()
        with suppress(*_BROKEN):
            if self._connection is None:
                # The reader waits for a child that will never call: call in its place.
                Client(self._listener.address, authkey=self._key).close()
        self._reader.join(1.0)
        self._owner.gone(self)


def _describe(code: int) -> str:
    if code == -getattr(signal, "SIGKILL", 9):
        return (
            "The compute process was killed by the system, most likely because the memory ran out (close other "
            "programs, or ask for less at once: fewer passes, a smaller batch or tile)"
        )
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = str(-code)
        return f"The compute process crashed (signal {name})"
    if code >= 0xC0000000:
        return f"The compute process crashed (Windows error {code:#x})"
    return f"The compute process ended unexpectedly (exit code {code})"
