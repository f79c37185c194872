"""Answers requests: the one place that knows both what can be asked and which part of the engine does it.

Each handler imports what it needs when it is called: a request does not wait for the libraries of another one.
"""

from __future__ import annotations

from functools import lru_cache, singledispatch
from typing import TYPE_CHECKING, Any

from napari_medfreq.io.models import open_model
from napari_medfreq.jobs.messages import Request, SegmentRequest, WarmUp

if TYPE_CHECKING:
    from pathlib import Path

    from napari_medfreq.engine.options import Segmentation, Sink
    from napari_medfreq.engine.segmenter import Segmenter


def prepare_process() -> None:
    """Tune a process that does nothing else but answer requests; called once, before the first of them."""
    from napari_medfreq.engine.device import tune_allocator

    tune_allocator()


@singledispatch
def run(request: Request[Any], sink: Sink) -> object:
    """Answer `request`, reporting to `sink`.

    Raises
    ------
    TypeError
        If there is no handler for such a request.
    """
    raise TypeError(f"Nothing here answers a {type(request).__name__}.")


@run.register(SegmentRequest)
def _segment(request: SegmentRequest, sink: Sink) -> Segmentation:
    return _segmenter(request.model).segment(request.volume, request.options, sink)


@run.register(WarmUp)
def _warm_up(request: WarmUp, sink: Sink) -> None:
    # For its libraries, whether or not a model is named.
    import napari_medfreq.engine.segmenter  # noqa: F401

    if request.model is not None:
        _segmenter(request.model)


def _segmenter(model: str) -> Segmenter:
    """Return the segmenter of `model`, loaded once until another one is asked for or its weights are replaced."""
    folder = open_model(model)
    return _loaded(folder.path, folder.sha256)


@lru_cache(maxsize=1)
def _loaded(path: Path, _sha256: str) -> Segmenter:
    from napari_medfreq.engine.segmenter import Segmenter

    return Segmenter.open(path)
