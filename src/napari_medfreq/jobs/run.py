"""Answers requests: the one place that knows both what can be asked and which part of the engine does it.

Each handler imports what it needs when it is called: a request does not wait for the libraries of another one.
"""

from __future__ import annotations

from functools import lru_cache, singledispatch
from typing import TYPE_CHECKING, Any

from napari_medfreq.io.models import open_model
from napari_medfreq.jobs.frequency_requests import (
    AnalyseRequest,
    BandsRequest,
    CoefficientsRequest,
    FilterRequest,
    ListenRequest,
    NeedsRequest,
    SpectrumRequest,
)
from napari_medfreq.jobs.messages import Request, SegmentRequest, WarmUp
from napari_medfreq.jobs.review_requests import QueueRequest

if TYPE_CHECKING:
    from pathlib import Path

    from napari_medfreq.engine.frequencies.analysis import Frequencies
    from napari_medfreq.engine.frequencies.results import Analysis, BandImage, Coefficients, Listening, Needs, Spectrum
    from napari_medfreq.engine.options import Segmentation, Sink
    from napari_medfreq.engine.segmenter import Segmenter
    from napari_medfreq.io.model_config import Calibration
    from napari_medfreq.io.review import Queue
    from napari_medfreq.volume import Volume


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


@run.register(AnalyseRequest)
def _analyse(request: AnalyseRequest, sink: Sink) -> Analysis:
    return _frequencies().analyse(request.volume, request.options, sink)


@run.register(FilterRequest)
def _filter(request: FilterRequest, sink: Sink) -> Volume:
    return _frequencies().filtered(request.volume, request.options, request.gains, sink)


@run.register(BandsRequest)
def _bands(request: BandsRequest, sink: Sink) -> tuple[BandImage, ...]:
    from napari_medfreq.engine.frequencies.images import band_images

    return band_images(_frequencies(), request.volume, request.options, request.keys, request.form, sink)


@run.register(CoefficientsRequest)
def _coefficients(request: CoefficientsRequest, sink: Sink) -> Coefficients:
    from napari_medfreq.engine.frequencies.coefficients import coefficients

    return coefficients(_frequencies(), request.volume, request.options, sink)


@run.register(SpectrumRequest)
def _spectra(request: SpectrumRequest, sink: Sink) -> tuple[Spectrum, ...]:
    from napari_medfreq.engine.frequencies.spectra import spectra

    return spectra(request.volumes, request.plane, sink)


@run.register(ListenRequest)
def _listen(request: ListenRequest, sink: Sink) -> Listening:
    from napari_medfreq.engine.frequencies.listening import listen
    from napari_medfreq.engine.frequencies.model_plane import model_plane

    segmenter = _segmenter(request.model)
    return listen(model_plane(segmenter, request.volume, request.plane, request.index, sink, request.frame), sink)


@run.register(NeedsRequest)
def _needs(request: NeedsRequest, sink: Sink) -> Needs:
    from napari_medfreq.engine.anatomy import plane_of
    from napari_medfreq.engine.frequencies.model_plane import model_plane
    from napari_medfreq.engine.frequencies.needs import needs

    volume, plane, index, frame = request.volume, request.options.plane, request.index, request.frame
    seen = model_plane(_segmenter(request.model), volume, plane, index, sink, frame)
    place = plane_of(volume, plane, index, frame)
    return needs(seen, place, _frequencies(), request.options, sink, request.keys)


@run.register(QueueRequest)
def _queue(request: QueueRequest, sink: Sink) -> Queue:
    from napari_medfreq.engine.review_queue import find_regions

    parts = (request.labels, request.probability, request.uncertainty)
    return find_regions(*parts, request.values, request.options, sink)


@run.register(WarmUp)
def _warm_up(request: WarmUp, sink: Sink) -> None:
    # For its libraries, whether or not a model is named.
    import napari_medfreq.engine.segmenter  # noqa: F401

    if request.model is not None:
        _segmenter(request.model)


def _segmenter(model: str) -> Segmenter:
    """Return the segmenter of `model`, loaded once until another one is asked for or its weights are replaced."""
    folder = open_model(model)
    return _loaded(folder.path, folder.sha256, folder.calibration)


@lru_cache(maxsize=1)
def _loaded(path: Path, _sha256: str, _calibration: Calibration | None) -> Segmenter:
    from napari_medfreq.engine.segmenter import Segmenter

    return Segmenter.open(path)


@lru_cache(maxsize=1)
def _frequencies() -> Frequencies:
    """Return what keeps the analyses of the last images."""
    from napari_medfreq.engine.frequencies.analysis import Frequencies

    return Frequencies()
