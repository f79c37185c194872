"""Brings every change into the review folder within a second, in a thread of its own, in the order of the changes.

What could not be saved (a full disk) stays listed and is tried again, until it is saved.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Qt, QTimer, Signal

from napari_medfreq.io.review import put
from napari_medfreq.widgets.review.places import changed_boxes, shrunk, slices_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from napari_medfreq.io.review import Bounds, State
    from napari_medfreq.io.review_folder import ReviewFolder
    from napari_medfreq.widgets.review.cases import OpenCase

# From the first change to its saving; a long stroke is saved in pieces of this length.
_DELAY_MS = 250
_RETRY_MS = 3000


@dataclass(frozen=True)
class _Change:
    """Something to be saved: a box of a mask (None is all of it), or the state of a region."""

    case: OpenCase
    box: Bounds | None = None
    state: tuple[int, State] | None = None


_Outcome = tuple[list[_Change], BaseException | None, "dict[OpenCase, dict[int, bool]]"]


class Autosave(QObject):
    """Saves what it is told of; owns the folder, which only its thread touches.

    Parameters
    ----------
    folder : ReviewFolder
        Open for writing.
    parent : QObject, optional
        Qt's parent.

    Attributes
    ----------
    saved : Signal
        All changes so far are in the folder.
    failed : Signal(object)
        Something could not be saved, and why; it will be tried again.
    touched : Signal(object, object)
        An `OpenCase`, and for each of its regions whose voxels were painted (or were painted back) whether they now
        differ from the model's mask, by number.
    """

    saved = Signal()
    failed = Signal(object)
    touched = Signal(object, object)
    _ended = Signal(object)

    def __init__(self, folder: ReviewFolder, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._folder = folder
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="medfreq-review-save")
        self._waiting: deque[_Change] = deque()
        self._running: Future[Any] | None = None
        self._failing = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._start)
        self._ended.connect(self._on_ended, Qt.ConnectionType.QueuedConnection)

    @property
    def idle(self) -> bool:
        """Whether everything is saved."""
        return not self._waiting and self._running is None

    def save_mask(self, case: OpenCase, box: Bounds | None) -> None:
        """Save what has changed in the `box` (along the axes of the layer), or anywhere."""
        stored = None if box is None else case.stored(box)
        if not any(change.case is case and change.state is None and change.box == stored for change in self._waiting):
            self._waiting.append(_Change(case, stored))
        self._plan()

    def save_state(self, case: OpenCase, region: int, state: State) -> None:
        """Save what became of a region."""
        self._waiting.append(_Change(case, state=(region, state)))
        self._plan()

    def run(self, work: Callable[[ReviewFolder], Any]) -> Future[Any]:
        """Do `work` with the folder after what is being saved."""
        return self._worker.submit(work, self._folder)

    def close(self) -> BaseException | None:
        """Save what is left, close the folder, and return what went wrong, if anything did.

        No signal is sent afterwards; waits for the disk.
        """
        self._timer.stop()
        self.blockSignals(True)
        if self._running is not None:
            rest, _, _ = self._running.result()
            self._waiting.extendleft(reversed(rest))
        self._worker.shutdown(wait=True)  # Python itself does that before it ends
        _, error, _ = self._save(list(self._waiting))
        self._folder.close()
        return error

    def _plan(self) -> None:
        if self._running is None and not self._timer.isActive():
            self._timer.start(_RETRY_MS if self._failing else _DELAY_MS)

    def _start(self) -> None:
        changes = list(self._waiting)
        self._waiting.clear()
        self._running = self._worker.submit(self._save, changes)
        self._running.add_done_callback(self._ended.emit)

    def _save(self, changes: list[_Change]) -> _Outcome:
        """In the thread: save `changes` in their order; return what is left, why, and which regions were painted."""
        painted: dict[OpenCase, dict[int, bool]] = {}
        for number, change in enumerate(changes):
            try:
                if change.state is not None:
                    self._folder.set_state(change.case.id, *change.state)
                else:
                    self._save_box(change.case, change.box, painted.setdefault(change.case, {}))
            except Exception as error:  # noqa: BLE001 - whatever it is, nothing is lost and the user hears of it
                return changes[number:], error, painted
        return [], None, painted

    def _save_box(self, case: OpenCase, box: Bounds | None, painted: dict[int, bool]) -> None:
        if not case.fits:
            return  # the layer holds another image's data now; the session takes the case out of the review
        for changed in changed_boxes(case.now(), case.saved) if box is None else [box]:
            self._save_changes(case, changed, painted)

    def _save_changes(self, case: OpenCase, box: Bounds, painted: dict[int, bool]) -> None:
        now, before = case.part(box), case.saved[slices_of(box)]
        changed = now != before
        if not changed.any():
            return
        smallest = shrunk(changed, box)
        inner = tuple(slice(a - start, b - start) for (a, b), (start, _) in zip(smallest, box, strict=True))
        start = tuple(first for first, _ in smallest)
        self._folder.save_stroke(case.id, start, now[inner])
        offsets = np.nonzero(changed)
        places = np.ravel_multi_index([axis + first for axis, (first, _) in zip(offsets, box, strict=True)], case.shape)
        put(case.saved, start, now[inner])
        for region in case.voxels.touched(places):
            painted[region] = case.voxels.differs(region, case.saved)

    def _on_ended(self, done: Future[Any]) -> None:
        if done is not self._running:
            return
        self._running = None
        rest, error, painted = done.result()
        self._waiting.extendleft(reversed(rest))
        for case, regions in painted.items():
            if regions:
                self.touched.emit(case, regions)
        was_failing, self._failing = self._failing, error is not None
        if error is not None and not was_failing:
            self.failed.emit(error)
        if self._waiting:
            self._plan()
        elif error is None:
            self.saved.emit()
