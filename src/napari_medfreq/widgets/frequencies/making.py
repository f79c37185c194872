"""What the user asks for by name, and gets to keep: bands as layers, changed volumes, files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_medfreq.engine.frequencies.results import Coefficients
from napari_medfreq.errors import MedfreqError
from napari_medfreq.jobs.frequency_requests import BandsRequest, CoefficientsRequest, FilterRequest
from napari_medfreq.jobs.messages import Note, Progress
from napari_medfreq.volume import Volume
from napari_medfreq.widgets.frequencies.asking import Asker
from napari_medfreq.widgets.frequencies.controller import options_for, read_view
from napari_medfreq.widgets.frequencies.products import add_bands, add_volume, save_coefficients, write_text
from napari_medfreq.widgets.volumes import volume_of
from napari_medfreq.widgets.wording import explain

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from napari.viewer import Viewer

    from napari_medfreq.engine.frequencies.options import Form
    from napari_medfreq.jobs.messages import Event, Executor
    from napari_medfreq.transforms.bands import BandKey
    from napari_medfreq.widgets.frequencies.controller import FrequencyController
    from napari_medfreq.widgets.frequencies.planes import ShownPlane


class ProductMaker(QObject):
    """Makes layers and files of what the controller looks at.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where layers are added.
    controller : FrequencyController
        Knows image, plane and gains.
    executor : Executor
        Who computes; it stays the caller's to shut down.
    parent : QObject, optional
        Qt's parent.

    Attributes
    ----------
    busy_changed : Signal(bool)
        Whether something is being made.
    progressed : Signal(Progress)
        How far it is.
    said : Signal(str, bool)
        What the user should read, and whether it is an error.
    """

    busy_changed = Signal(bool)
    progressed = Signal(object)
    said = Signal(str, bool)
    _saved = Signal(object)

    def __init__(
        self, viewer: Viewer, controller: FrequencyController, executor: Executor, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._controller = controller
        self._asker = Asker(executor, controller.worker, self)
        self._asker.answered.connect(self._on_made)
        self._asker.happened.connect(self._on_event)
        self._asker.failed.connect(lambda text: self.said.emit(text, True))
        self._asker.busy_changed.connect(self.busy_changed)
        self._saved.connect(self._on_saved)

    @property
    def busy(self) -> bool:
        """Whether something is being made."""
        return self._asker.busy

    def add_bands(self, keys: tuple[BandKey, ...], form: Form) -> None:
        """Add the bands `keys` of the plane on screen as layers."""
        view, shown = self._controller.view, self._controller.shown
        if view is None or shown is None or not keys:
            return
        options = options_for(view, shown)
        self._asker.ask((shown, None), lambda: BandsRequest(read_view(view, shown), options, keys, form))

    def save_coefficients(self, path: Path) -> None:
        """Write the coefficients of all bands of the plane on screen to `path` (.npz)."""
        view, shown = self._controller.view, self._controller.shown
        if view is None or shown is None:
            return
        options = options_for(view, shown)
        self._asker.ask((shown, path), lambda: CoefficientsRequest(read_view(view, shown), options))

    def save_text(self, path: Path, text: str) -> None:
        """Write `text` to `path`, and say how it went."""
        self._save(lambda where: write_text(where, text), path)

    def change_volume(self) -> None:
        """Change all planes of the volume and add the result as a layer."""
        view, shown = self._controller.view, self._controller.shown
        if view is None or shown is None:
            return
        gains, options = self._controller.gains.gains, options_for(view, shown)
        self._asker.ask((shown, None), lambda: FilterRequest(volume_of(view.layer), options, gains))

    def keep(self) -> None:
        """Add a copy of the changed layer that is not the dock's."""
        layer = self._controller.layer.layer
        if layer is None:
            self.said.emit("There is no changed image yet. Mute or boost a band first.", True)
            return
        data, keywords, kind = layer.as_layer_data_tuple()
        keywords["name"] = f"{layer.name} (kept)"
        keywords["metadata"] = dict(layer.metadata)
        self._viewer._add_layer_from_data(data.copy(), keywords, kind)

    def cancel(self) -> None:
        """Give up the work that takes long."""
        if self._asker.busy:
            self._asker.forget()
            self.said.emit("Cancelled.", False)

    def close(self) -> None:
        """Give up what is being made; no signal is sent afterwards."""
        self.blockSignals(True)
        self._asker.close()

    def _on_made(self, about: tuple[ShownPlane, Path | None], made: Any) -> None:
        shown, path = about
        try:
            if isinstance(made, Coefficients):
                unit = self._controller.analysis.unit if self._controller.analysis is not None else ""
                self._save(lambda where: save_coefficients(where, made, unit), path or Path())
            elif isinstance(made, Volume):
                add_volume(self._viewer, shown.layer, made)
            else:
                add_bands(self._viewer, shown, made)
        except MedfreqError as error:
            self.said.emit(str(error), True)

    def _save(self, write: Callable[[Path], None], path: Path) -> None:
        """Call ``write(path)`` in the thread, and say how it went."""
        self._controller.worker.submit(_written, write, path).add_done_callback(self._saved.emit)

    def _on_event(self, _about: object, event: Event) -> None:
        if isinstance(event, Progress):
            self.progressed.emit(event)
        elif isinstance(event, Note):
            self.said.emit(event.text, False)

    def _on_saved(self, task: Future[Path]) -> None:
        error = task.exception()
        self.said.emit(explain(error) if error is not None else f"Saved {task.result().name}.", error is not None)


def _written(write: Callable[[Path], None], path: Path) -> Path:
    write(path)
    return path
