"""A run of ``napari-medfreq learn`` in a process of its own, followed while it goes on."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = logging.getLogger(__name__)
_SAYS, _FOLDER = "learn: ", "run folder "  # as the command line writes them
_EVENTS = "events.jsonl"
_LOOK_MS = 200
_WAIT_MS = 5000


class LearningRun(QObject):
    """At most one run at a time.

    Attributes
    ----------
    said : Signal(str)
        What is being done.
    told : Signal(dict)
        A line of the run's ``events.jsonl``.
    ended : Signal(str)
        The run is over; why it failed, or nothing.
    """

    said = Signal(str)
    told = Signal(dict)
    ended = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process: QProcess | None = None
        self._cancelled = False
        self._errors: list[str] = []
        self._rest = b""
        self._log: Path | None = None
        self._read = 0
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self._look)

    @property
    def running(self) -> bool:
        """Whether a run is going on."""
        return self._process is not None

    def start(self, words: Sequence[str]) -> None:
        """Run ``napari-medfreq learn`` with `words`."""
        if self.running:
            return
        self._cancelled, self._errors, self._rest, self._log, self._read = False, [], b"", None, 0
        process = QProcess(self)
        environment = QProcessEnvironment.systemEnvironment()
        environment.insert("PYTHONUTF8", "1")
        process.setProcessEnvironment(environment)
        process.setStandardOutputFile(QProcess.nullDevice())
        process.readyReadStandardError.connect(self._listen)
        process.finished.connect(self._on_finished)
        process.errorOccurred.connect(self._on_error)
        self._process = process
        program = "from napari_medfreq.cli.main import app; app()"
        process.start(sys.executable, ["-c", program, "learn", *words])
        self._timer.start()

    def cancel(self) -> None:
        """End the run at once; nothing of it is half-written, and the same run goes on from its last checkpoint."""
        if self._process is not None:
            self._cancelled = True
            self._process.kill()

    def close(self) -> None:
        """End the run, without a signal."""
        self.blockSignals(True)
        self._timer.stop()
        process, self._process = self._process, None
        if process is not None:
            process.blockSignals(True)
            process.kill()
            process.waitForFinished(_WAIT_MS)

    def _listen(self) -> None:
        if self._process is None:
            return
        self._rest += bytes(self._process.readAllStandardError().data())
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            text = line.decode(errors="replace").strip()
            if text.startswith(_SAYS + _FOLDER):
                self._log = Path(text.removeprefix(_SAYS + _FOLDER)) / _EVENTS
            elif text.startswith(_SAYS):
                self.said.emit(text.removeprefix(_SAYS))
            elif text:
                self._errors.append(text)

    def _look(self) -> None:
        """Read what was added to the events; a line that is still being written is left for the next time."""
        if self._log is None or not self._log.is_file():
            return
        with self._log.open("rb") as file:
            file.seek(self._read)
            added = file.read()
        whole = added.rfind(b"\n") + 1
        self._read += whole
        for line in added[:whole].splitlines():
            event = _parsed(line)
            if event is not None:
                self.told.emit(event)

    def _on_finished(self, code: int, _status: object) -> None:
        if self._process is None:
            return
        self._listen()
        self._look()
        self._end("" if code == 0 or self._cancelled else self._why())

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if self._process is not None and error == QProcess.ProcessError.FailedToStart:
            self._end(f"Learning could not be started: {self._process.errorString()}.")

    def _why(self) -> str:
        _log.warning("learning failed:\n%s", "\n".join(self._errors))
        return self._errors[-1] if self._errors else "Learning ended without a word; the machine may lack memory."

    def _end(self, problem: str) -> None:
        self._timer.stop()
        if self._process is not None:
            self._process.deleteLater()
        self._process = None
        self.ended.emit(problem)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None  # cut off by a kill; the next run has begun a new line
    return event if isinstance(event, dict) else None
