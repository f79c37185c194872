"""What is said to the user, and what goes to the log instead."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from napari_medfreq.errors import MedfreqError

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path
    from typing import Any

_log = logging.getLogger(__name__)
ERROR_STYLE = "color: #ff8a80;"


def explain(error: BaseException) -> str:
    """Return what to tell the user; what is not meant for users goes to the log."""
    if isinstance(error, MedfreqError):
        _log.warning("%s", error)
        return str(error)
    _log.error("a request failed", exc_info=error)
    return f"Something went wrong that should not have ({type(error).__name__}: {error}). The details are in the log."


def log_failure(job: Future[Any]) -> None:
    """Log why warming up failed; the first click will say it to the user."""
    error = None if job.cancelled() else job.exception()
    if error is not None:
        _log.warning("the compute process could not be warmed up: %s", error)


def with_suffix(path: Path, chosen_filter: str) -> Path:
    """Return `path` with the first ending of `chosen_filter` if it has none of its endings."""
    endings = [word.strip("*()") for word in chosen_filter.split() if "*." in word]
    if not endings or any(path.name.lower().endswith(ending) for ending in endings):
        return path
    return path.with_name(path.name + endings[0])
