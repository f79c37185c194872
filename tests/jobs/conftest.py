from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from napari_medfreq.jobs.host import ChildExecutor

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVED = Path(__file__).parent / "served"
# The requests must have the same import name in both processes.
sys.path.insert(0, str(SERVED))


class Listener:
    """Keeps events; `wait` ends when one that fits has come."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self._news = threading.Condition()

    def __call__(self, event: Any) -> None:
        with self._news:
            self.events.append(event)
            self._news.notify_all()

    def wait(self, kind: type, seconds: float = 20.0) -> Any:
        def found() -> Any:
            return next((event for event in self.events if isinstance(event, kind)), None)

        with self._news:
            assert self._news.wait_for(found, seconds), f"no {kind.__name__} in {seconds} s"
            return found()


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of the module that answers, importable in the child."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(SERVED), *filter(None, [os.environ.get("PYTHONPATH")])]))
    return "served_requests"


@pytest.fixture
def executor(tmp_path: Path, served: str) -> Iterator[ChildExecutor]:
    with ChildExecutor(tmp_path, served) as made:
        yield made
