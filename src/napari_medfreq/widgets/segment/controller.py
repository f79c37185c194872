"""The flow of control of the Segment dock: one request at a time, its events, its layers. No widget is known here."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, QTimer, Signal

from napari_medfreq.jobs.messages import Allocated, Note, Partial, Progress, SegmentRequest
from napari_medfreq.widgets.segment.export import export
from napari_medfreq.widgets.segment.inputs import Choice, gather
from napari_medfreq.widgets.segment.results import NAMES, ResultLayers, import_ahead
from napari_medfreq.widgets.wording import explain

if TYPE_CHECKING:
    from pathlib import Path

    from napari.viewer import Viewer

    from napari_medfreq.engine.options import Segmentation
    from napari_medfreq.jobs.messages import Event, Executor, Job
    from napari_medfreq.volume import Kind, Volume

_REDRAW_MS = 100


class Run:
    """One click on Segment, from the preparation of its volume to its end; can be cancelled at any moment."""

    def __init__(self, choice: Choice) -> None:
        self.choice = choice
        self.results: ResultLayers | None = None
        self.cancelled = False
        self.volume: Volume | None = None
        self.sent = False
        self.progress: Progress | None = None
        self.told = False
        self.answer: Future[Segmentation] | None = None
        self._job: Job[Segmentation] | None = None
        self._lock = threading.Lock()

    def attach(self, job: Job[Segmentation]) -> None:
        """Say which job computes this run; it is cancelled at once if the run was."""
        with self._lock:
            self._job = job
            cancelled = self.cancelled
        if cancelled:
            job.cancel()

    def cancel(self) -> None:
        """Give the run up."""
        with self._lock:
            self.cancelled = True
            job = self._job
        if job is not None:
            job.cancel()


class SegmentController(QObject):
    """Runs what the user chose and shows what comes back.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where results are shown.
    executor : Executor
        Who computes; it stays the caller's to shut down.
    parent : QObject, optional
        Qt's parent.

    Attributes
    ----------
    started, ended : Signal
        A run began; it ended, in whichever way.
    sent : Signal
        The layers of the result are there, and the compute side was asked.
    progressed : Signal(Progress)
        How far it is.
    said : Signal(str, bool)
        What the user should read, and whether it is an error.
    found : Signal(Segmentation)
        The result.
    """

    started = Signal()
    ended = Signal()
    sent = Signal()
    progressed = Signal(object)
    said = Signal(str, bool)
    found = Signal(object)
    # From other threads to this one.
    _prepared = Signal(object, object)
    _happened = Signal(object, object)
    _answered = Signal(object, object)
    _exported = Signal(object)

    def __init__(self, viewer: Viewer, executor: Executor, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._executor = executor
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="medfreq-segment")
        self._imported = self._worker.submit(import_ahead)
        self._run: Run | None = None
        self.results: ResultLayers | None = None
        self._redraw = QTimer(self)
        self._redraw.timeout.connect(self._on_redraw)
        queued = Qt.ConnectionType.QueuedConnection
        self._prepared.connect(self._on_prepared, queued)
        self._happened.connect(self._on_event, queued)
        self._answered.connect(self._on_answer, queued)
        self._exported.connect(self._on_exported, queued)

    @property
    def running(self) -> bool:
        """Whether a run is on its way."""
        return self._run is not None

    def run(self, choice: Choice) -> None:
        """Segment `choice`; does nothing while another run is on its way."""
        if self._run is not None:
            return
        self._run = Run(choice)
        self.started.emit()
        self.progressed.emit(Progress(0, 0, "Preparing the image"))
        self._redraw.start(_REDRAW_MS)
        self._worker.submit(self._prepare, self._run)

    def cancel(self) -> None:
        """Give the run up and take its layers away; nothing of it arrives any more."""
        if self._run is not None:
            self._run.cancel()
            self._end(keep=False)
            self.said.emit("Cancelled.", False)

    def export(self, kind: Kind, path: Path) -> None:
        """Write the latest result, as it now is on screen, to `path`, with its provenance beside it."""
        if self.results is None or self.results.segmentation is None or self.results.layer(kind) is None:
            self.said.emit(f"There is no {kind} to export yet. Segment an image first.", True)
            return
        task = self._worker.submit(export, self.results, kind, path)
        task.add_done_callback(self._exported.emit)

    def close(self) -> None:
        """Give up what runs and end the thread; no signal is sent afterwards."""
        self._redraw.stop()
        self.blockSignals(True)
        if self._run is not None:
            self._run.cancel()
            self._run = None
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _prepare(self, run: Run) -> None:
        """In the worker's thread: reading a lazy layer or stacking contrasts may take long."""
        choice = run.choice
        try:
            volume = gather(choice.layers, choice.model.input.channels)
            if run.cancelled:
                return
            self._prepared.emit(run, volume)
        except Exception as error:  # noqa: BLE001 - whatever it is, the user hears of it in `_on_answer`
            self._fail(run, error)

    def _submit(self, run: Run, volume: Volume) -> None:
        """In the worker's thread: a large volume is written where the compute side finds it."""
        if run.cancelled:
            return
        try:
            request = SegmentRequest(volume, str(run.choice.model.path), run.choice.options)
            job = self._executor.submit(request, lambda event: self._happened.emit(run, event))
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(run, error)
            return
        run.attach(job)
        job.add_done_callback(lambda done: None if run.cancelled else self._answered.emit(run, done))

    def _fail(self, run: Run, error: Exception) -> None:
        failed: Future[Any] = Future()
        failed.set_exception(error)
        self._answered.emit(run, failed)

    def _on_prepared(self, run: Run, volume: Volume) -> None:
        """Plan the layers of the result; the compute side is asked when they are there, see `_on_redraw`."""
        if run is self._run:
            run.volume = volume
            run.results = ResultLayers(self._viewer, run.choice.layers[0], volume, run.choice.model)
            run.results.expect(uncertainty=run.choice.options.passes > 0)

    def _on_event(self, run: Run, event: Event) -> None:
        if run is not self._run or run.results is None:
            return
        if isinstance(event, Progress):
            run.progress = event
        elif isinstance(event, Note):
            self.said.emit(event.text, False)
        elif isinstance(event, Allocated):
            for kind in NAMES:
                if event.name == kind:
                    run.results.show(kind, event.array)
        elif isinstance(event, Partial):
            run.results.touch(event.name, event.region)

    def _on_redraw(self) -> None:
        """Do one thing in a turn of the event loop, so that the viewer can answer in between.

        Either add a layer, or ask the compute side, or end the run, or say how far it is, or draw what is new: each
        makes Qt compose the whole window once.
        """
        run = self._run
        if run is None or run.results is None or run.volume is None or not self._imported.done():
            return
        if run.results.advance():
            return
        if not run.sent:
            run.sent = True
            self.sent.emit()
            self._worker.submit(self._submit, run, run.volume)
        elif run.answer is not None:
            self._finish(run.results, run.answer.result())
        elif run.progress is not None and not run.told:
            self.progressed.emit(run.progress)
            run.progress, run.told = None, True
        else:
            run.results.refresh()
            run.told = False

    def _on_answer(self, run: Run, answer: Future[Segmentation]) -> None:
        if run is not self._run:
            return
        if answer.cancelled():
            self._end(keep=False)
        elif (error := answer.exception()) is not None:
            self._end(keep=False)
            self.said.emit(explain(error), True)
        else:
            run.answer = answer
            self._redraw.start(0)

    def _finish(self, results: ResultLayers, segmentation: Segmentation) -> None:
        results.finish(segmentation)
        if self.results is not None:
            self.results.step_aside()
        self.results = results
        self._end(keep=True)
        self.found.emit(segmentation)

    def _on_exported(self, task: Future[list[Path]]) -> None:
        error = task.exception()
        if error is not None:
            self.said.emit(explain(error), True)
        else:
            self.said.emit(f"Saved {' and '.join(path.name for path in task.result())}.", False)

    def _end(self, *, keep: bool) -> None:
        run, self._run = self._run, None
        self._redraw.stop()
        if run is not None and run.results is not None and not keep:
            run.results.discard()
        self.ended.emit()
