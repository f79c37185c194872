"""Begins, opens and closes reviews: what takes long is done in a thread or by the compute side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, Signal

from napari_medfreq.errors import FileError
from napari_medfreq.io.review_folder import ReviewFolder, is_review
from napari_medfreq.jobs.messages import Progress
from napari_medfreq.widgets.layers import is_input
from napari_medfreq.widgets.review.autosave import Autosave
from napari_medfreq.widgets.review.background import Background
from napari_medfreq.widgets.review.export import export_case
from napari_medfreq.widgets.review.inputs import gather
from napari_medfreq.widgets.review.opening import begin_case, restore, show, with_image
from napari_medfreq.widgets.review.session import ReviewSession
from napari_medfreq.widgets.wording import explain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_medfreq.io.review import Queue
    from napari_medfreq.jobs.messages import Event, Executor, Job
    from napari_medfreq.widgets.review.cases import OpenCase
    from napari_medfreq.widgets.review.inputs import Choice, Gathered
    from napari_medfreq.widgets.review.opening import Restored


class ReviewController(QObject):
    """Has at most one review open.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where it is shown.
    executor : Executor
        Who finds the regions; it stays the caller's to shut down.
    parent : QObject, optional
        Qt's parent.

    Attributes
    ----------
    opened, closed : Signal
        A review is open (the attribute `session`); it is no more.
    busy_changed : Signal(bool)
        Something is being prepared, which `cancel` gives up.
    progressed : Signal(Progress)
        How far it is.
    said : Signal(str, bool)
        What the user should read, and whether it is an error.
    image_wanted : Signal(Restored)
        The image of a case was not where it was: `open_image` goes on with another place.
    """

    opened = Signal()
    closed = Signal()
    busy_changed = Signal(bool)
    progressed = Signal(object)
    said = Signal(str, bool)
    image_wanted = Signal(object)
    # From other threads to this one.
    _happened = Signal(int, object)
    _exported = Signal(object)

    def __init__(self, viewer: Viewer, executor: Executor, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._executor = executor
        # Saving has a thread of its own: a stroke does not wait for an image that is being read.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="medfreq-review-read")
        self._work = Background(self)
        self._job: Job[Queue] | None = None
        self.session: ReviewSession | None = None
        queued = Qt.ConnectionType.QueuedConnection
        self._happened.connect(self._on_event, queued)
        self._exported.connect(self._on_exported, queued)
        self._work.busy_changed.connect(self.busy_changed)
        self._work.failed.connect(self._on_failed)
        self._work.late.connect(self._let_go)

    @property
    def busy(self) -> bool:
        """Whether something is being prepared."""
        return self._work.busy

    def begin(self, choice: Choice, path: Path) -> None:
        """Take `choice` under review in the new folder `path`, or add it to the review that is open."""
        if self.busy:
            return
        if self.session is not None:
            if choice.labels in [case.labels for case in self.session.cases]:
                self.said.emit(f"{choice.labels.name} is under review already.", False)
                return
            self._start("Reading the layers")
            self._gather(choice)
            return
        self._start("Making the folder")
        made = self._reader.submit(_new_folder, path)
        self._work.after(made, lambda folder: self._on_folder(folder, choice))

    def open(self, path: Path) -> None:
        """Open the review in the folder `path` in place of the one that is open."""
        if self.busy:
            return
        self.close_review()
        self._start("Opening the review")
        layers = [layer for layer in self._viewer.layers if is_input(layer)]
        self._work.after(self._reader.submit(_load, path, layers), self._on_loaded)

    def open_image(self, restored: Restored, path: Path) -> None:
        """Show the case `restored` with the image in the file `path`."""
        if self.session is not None:
            self._start("Opening the image")
            self._work.after(self._reader.submit(with_image, restored, (), path), self._on_image)

    def cancel(self) -> None:
        """Give up what is being prepared."""
        if self._job is not None:
            self._job.cancel()
        if self.busy:
            self._end()
            self.said.emit("Cancelled.", False)

    def export(self, case: OpenCase, path: Path) -> None:
        """Write the corrected mask of `case` to `path`, with a record beside it."""
        if self.session is not None:
            states = [row.state for row in self.session.rows if row.case is case]
            task = self._reader.submit(export_case, case, states, path)
            task.add_done_callback(self._exported.emit)

    def close_review(self) -> None:
        """Save and close the review that is open, if one is."""
        session, self.session = self.session, None
        if session is None:
            return
        error = session.close()
        session.deleteLater()
        self.closed.emit()
        if error is not None:
            self.said.emit(f"{explain(error)} What could not be saved is still in its layers.", True)

    def close(self) -> BaseException | None:
        """Save, close and end the threads, without a signal; return what could not be saved, if anything."""
        self.blockSignals(True)
        self._work.blockSignals(True)
        if self._job is not None:
            self._job.cancel()
        session, self.session = self.session, None
        error = None if session is None else session.close()
        self._reader.shutdown(wait=True, cancel_futures=True)
        return error

    def _start(self, text: str) -> None:
        self._work.start()
        self.progressed.emit(Progress(0, 0, text))

    def _end(self) -> None:
        """End what is being prepared; a review in which nothing was begun is none."""
        self._job = None
        self._work.end()
        if self.session is not None and not self.session.cases:
            self.close_review()

    def _on_failed(self, error: BaseException) -> None:
        self._end()
        self.said.emit(explain(error), True)

    def _on_folder(self, folder: ReviewFolder, choice: Choice) -> None:
        self._attach(folder)
        self._gather(choice)

    def _gather(self, choice: Choice) -> None:
        self._work.after(self._reader.submit(gather, choice), lambda found: self._on_gathered(choice, found))

    def _on_gathered(self, choice: Choice, gathered: Gathered) -> None:
        number = self._work.number
        self.progressed.emit(Progress(0, 0, "Looking for uncertain regions"))
        self._job = self._executor.submit(gathered.request, lambda event: self._happened.emit(number, event))
        self._work.after(self._job, lambda queue: self._on_queue(choice, gathered, queue))

    def _on_queue(self, choice: Choice, gathered: Gathered, queue: Queue) -> None:
        self._job = None
        session = self.session
        if session is None:
            return
        if not queue.regions:
            self._end()
            self.said.emit(
                f"Nothing in {choice.labels.name} is doubtful enough to be looked at. Lower the least doubt under "
                "More options to see more.",
                False,
            )
            return
        self.progressed.emit(Progress(0, 0, "Saving the mask"))

        def keep(folder: ReviewFolder) -> OpenCase:
            case = begin_case(choice, gathered, queue, set(folder.cases))
            folder.add(case.case, case.saved, case.voxels)
            return case

        self._work.after(session.autosave.run(keep), self._on_case)

    def _on_case(self, case: OpenCase) -> None:
        if self.session is not None and case.labels in self._viewer.layers:
            self.session.add(case, {})
        self._end()
        if self.session is not None:
            self.opened.emit()
            self.said.emit(f"{len(case.case.regions):,} regions to look at in {case.case.name}.", False)

    def _on_loaded(self, loaded: tuple[ReviewFolder, list[Restored]]) -> None:
        folder, cases = loaded
        self._attach(folder)
        for restored in cases:
            self._show(restored)
        self._work.end()
        self.opened.emit()
        refused = [restored.problem for restored in cases if restored.problem and not restored.missing]
        if refused or not cases:
            self.said.emit("\n".join(refused) or f"{folder.path} holds no image yet: add one.", bool(refused))
        for restored in cases:
            if restored.missing:
                self.image_wanted.emit(restored)

    def _on_image(self, restored: Restored) -> None:
        self._work.end()
        if restored.problem:
            self.said.emit(restored.problem, True)
        else:
            self._show(restored)
            self.opened.emit()

    def _show(self, restored: Restored) -> None:
        if self.session is None or restored.image is None:
            return
        layers = self._viewer.layers
        case = show(restored, list(layers))
        for layer in case.own:
            layers.append(layer)
        self.session.add(case, restored.states)

    def _attach(self, folder: ReviewFolder) -> None:
        autosave = Autosave(folder)
        self.session = ReviewSession(self._viewer, folder.path, autosave, self)
        autosave.setParent(self.session)

    def _let_go(self, result: Any) -> None:
        """Close a folder that nobody waits for any more."""
        for part in result if isinstance(result, tuple) else (result,):
            if isinstance(part, ReviewFolder):
                self._reader.submit(part.close)

    def _on_event(self, number: int, event: Event) -> None:
        if number == self._work.number and isinstance(event, Progress):
            self.progressed.emit(event)

    def _on_exported(self, task: Future[list[Path]]) -> None:
        error = task.exception()
        if error is not None:
            self.said.emit(explain(error), True)
        else:
            self.said.emit(f"Saved {' and '.join(path.name for path in task.result())}.", False)


def _new_folder(path: Path) -> ReviewFolder:
    folder = ReviewFolder(path)
    if folder.cases:
        folder.close()
        raise FileError(f"{path} holds a review already: open it to go on, or choose another folder for a new one.")
    return folder


def _load(path: Path, layers: Sequence[Layer]) -> tuple[ReviewFolder, list[Restored]]:
    if not is_review(path):
        raise FileError(f"{path} holds no review. Choose the folder that a review was begun in.")
    folder = ReviewFolder(path)
    try:
        return folder, restore(folder, layers)
    except BaseException:
        folder.close()
        raise
