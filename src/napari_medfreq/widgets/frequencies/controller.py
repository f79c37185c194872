"""The flow of control of the Frequencies dock: what it asks and what becomes of the answers. It knows no widget."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_medfreq.engine.frequency_results import Coefficients
from napari_medfreq.errors import MedfreqError
from napari_medfreq.jobs.frequency_requests import AnalyseRequest, BandsRequest, CoefficientsRequest, FilterRequest
from napari_medfreq.jobs.messages import Note, Progress
from napari_medfreq.transforms.bands import BandKey
from napari_medfreq.volume import Volume
from napari_medfreq.widgets.frequencies.asking import Asker
from napari_medfreq.widgets.frequencies.changed import ChangedLayer
from napari_medfreq.widgets.frequencies.gains import GainHistory
from napari_medfreq.widgets.frequencies.planes import ShownPlane, read_plane, shown_plane
from napari_medfreq.widgets.frequencies.products import add_bands, add_volume, save_coefficients, turned, write_text
from napari_medfreq.widgets.volumes import volume_of
from napari_medfreq.widgets.wording import explain

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_medfreq.engine.frequency_options import Form, FrequencyOptions
    from napari_medfreq.engine.frequency_results import Analysis
    from napari_medfreq.jobs.messages import Event, Executor
    from napari_medfreq.widgets.frequencies.planes import PlaneChoice

LOW_PASS = BandKey(0, 0)


@dataclass(frozen=True, eq=False)
class View:
    """What is looked at, and through which transform.

    Attributes
    ----------
    layer : napari.layers.Layer
        The image.
    options : FrequencyOptions
        The transform.
    plane : str
        Which plane of a volume; ``shown`` is the one on screen.
    """

    layer: Layer
    options: FrequencyOptions
    plane: PlaneChoice = "shown"


class FrequencyController(QObject):
    """Follows a layer, and the gains of its bands.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where the changed image is shown.
    executor : Executor
        Who computes what must follow at once; it stays the caller's to shut down.
    parent : QObject, optional
        Qt's parent.

    Attributes
    ----------
    analysed : Signal(Analysis)
        What the bands hold of the plane on screen.
    looked : Signal(ShownPlane)
        Which plane that is.
    lost : Signal()
        There is nothing to look at.
    changed : Signal()
        The changed image is on screen.
    progressed : Signal(Progress)
        How far work that takes long has come.
    long_work : Signal(bool)
        Work that takes long, and can be cancelled, has begun or ended.
    said : Signal(str, bool)
        What the user should read, and whether it is an error.
    """

    analysed = Signal(object)
    looked = Signal(object)
    lost = Signal()
    changed = Signal()
    progressed = Signal(object)
    long_work = Signal(bool)
    said = Signal(str, bool)
    _saved = Signal(object)

    def __init__(self, viewer: Viewer, executor: Executor, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.worker = ThreadPoolExecutor(1, thread_name_prefix="medfreq-frequencies")
        self.gains = GainHistory()
        self.layer = ChangedLayer(viewer)
        self.analysis: Analysis | None = None
        self.view: View | None = None
        self.shown: ShownPlane | None = None
        self._analyser, self._changer, self._maker = (Asker(executor, self.worker, self) for _ in range(3))
        self._analyser.answered.connect(self._on_analysis)
        self._changer.answered.connect(self._on_changed)
        self._maker.answered.connect(self._on_made)
        self._maker.busy_changed.connect(self.long_work)
        for asker in (self._analyser, self._changer, self._maker):
            asker.failed.connect(self._on_failed)
            asker.happened.connect(self._on_event)
        self._saved.connect(self._on_saved)
        self.gains.changed.connect(self._on_gains)

    @property
    def looking(self) -> bool:
        """Whether what is on screen is still being analysed."""
        return self._analyser.busy

    @property
    def working(self) -> bool:
        """Whether work that takes long is on its way."""
        return self._maker.busy

    def look(self, view: View | None) -> None:
        """Look at `view` from now on; None if there is nothing."""
        before, self.view = self.view, view
        if view is None or (before is not None and before.layer is not view.layer):
            self.layer.remove()
            self.layer.renew()
        self.shown = None
        self._changer.forget()
        if view is None:
            self._analyser.forget()
            self.analysis = None
            self.lost.emit()
            return
        self.follow(refresh=True)

    def follow(self, *, refresh: bool = False) -> None:
        """Look at the plane that is now on screen; if it is another one, or `refresh`, analyse it."""
        view = self.view
        if view is None:
            return
        try:
            shown = shown_plane(view.layer, self._viewer.dims, view.plane)
        except MedfreqError as error:
            self._on_failed(str(error))
            return
        if not refresh and (shown.same_as(self.shown) or view.options.scope == "volume"):
            return
        self.shown = shown
        self.looked.emit(shown)
        options = self._options(view, shown)
        self._analyser.ask(shown, lambda: AnalyseRequest(_read(view, shown), options))
        if self.gains.gains or self.layer.layer is not None:
            self._change()

    def add_bands(self, keys: tuple[BandKey, ...], form: Form) -> None:
        """Add the bands `keys` of the plane on screen as layers."""
        view, shown = self.view, self.shown
        if view is None or shown is None or not keys:
            return
        options = self._options(view, shown)
        self._maker.ask((shown, None), lambda: BandsRequest(_read(view, shown), options, keys, form))

    def save_coefficients(self, path: Path) -> None:
        """Write the coefficients of all bands of the plane on screen to `path` (.npz)."""
        view, shown = self.view, self.shown
        if view is None or shown is None:
            return
        options = self._options(view, shown)
        self._maker.ask((shown, path), lambda: CoefficientsRequest(_read(view, shown), options))

    def save_text(self, path: Path, text: str) -> None:
        """Write `text` to `path`, and say how it went."""
        self._save(lambda where: write_text(where, text), path)

    def change_volume(self) -> None:
        """Change all planes of the volume and add the result as a layer."""
        view, shown = self.view, self.shown
        if view is None or shown is None:
            return
        gains, options = self.gains.gains, self._options(view, shown)
        self._maker.ask((shown, None), lambda: FilterRequest(volume_of(view.layer), options, gains))

    def keep(self) -> None:
        """Add a copy of the changed layer that is not the dock's."""
        layer = self.layer.layer
        if layer is None:
            self.said.emit("There is no changed image yet. Mute or boost a band first.", True)
            return
        data, keywords, kind = layer.as_layer_data_tuple()
        keywords["name"] = f"{layer.name} (kept)"
        keywords["metadata"] = dict(layer.metadata)
        self._viewer._add_layer_from_data(data.copy(), keywords, kind)

    def cancel(self) -> None:
        """Give up the work that takes long."""
        if self._maker.busy:
            self._maker.forget()
            self.said.emit("Cancelled.", False)

    def close(self) -> None:
        """Give up all questions, take the changed layer away and end the thread; no signal is sent afterwards."""
        self.blockSignals(True)
        self.gains.changed.disconnect()
        for asker in (self._analyser, self._changer, self._maker):
            asker.close()
        self.layer.remove()
        self.view = None
        self.worker.shutdown(wait=True, cancel_futures=True)

    def _options(self, view: View, shown: ShownPlane) -> FrequencyOptions:
        return replace(view.options, plane=shown.plane)

    def _change(self) -> None:
        view, shown = self.view, self.shown
        if view is None or shown is None or not self.layer.wanted:
            return
        gains, options = self.gains.gains, self._options(view, shown)
        signed = gains.get(LOW_PASS) == 0
        self._changer.ask((shown, signed), lambda: FilterRequest(_read(view, shown), options, gains))

    def _on_gains(self) -> None:
        self.layer.renew()
        if self.gains.gains or self.layer.layer is not None:
            self._change()

    def _on_analysis(self, _shown: ShownPlane, analysis: Analysis) -> None:
        self.analysis = analysis
        # Muted bands of another transform mean nothing in this one.
        self.gains.set_layout(analysis.layout)
        self.analysed.emit(analysis)

    def _on_changed(self, about: tuple[ShownPlane, bool], image: Volume) -> None:
        shown, signed = about
        if self.view is None or shown.layer is not self.view.layer:
            return
        if len(image.spatial_axes) == 3:
            self.layer.show_volume(shown.layer, turned(image, shown.layer), signed=signed)
        else:
            self.layer.show(shown, image, signed=signed)
        self.changed.emit()

    def _on_made(self, about: tuple[ShownPlane, Path | None], made: Any) -> None:
        shown, path = about
        try:
            if isinstance(made, Coefficients):
                unit = self.analysis.unit if self.analysis is not None else ""
                self._save(lambda where: save_coefficients(where, made, unit), path or Path())
            elif isinstance(made, Volume):
                add_volume(self._viewer, shown.layer, made)
            else:
                add_bands(self._viewer, shown, made)
        except MedfreqError as error:
            self._on_failed(str(error))

    def _save(self, write: Callable[[Path], None], path: Path) -> None:
        """Call ``write(path)`` in the thread, and say how it went."""
        self.worker.submit(_written, write, path).add_done_callback(self._saved.emit)

    def _on_event(self, _about: object, event: Event) -> None:
        if isinstance(event, Progress):
            self.progressed.emit(event)
        elif isinstance(event, Note):
            self.said.emit(event.text, False)

    def _on_failed(self, text: str) -> None:
        self.said.emit(text, True)

    def _on_saved(self, task: Future[Path]) -> None:
        error = task.exception()
        self.said.emit(explain(error) if error is not None else f"Saved {task.result().name}.", error is not None)


def _read(view: View, shown: ShownPlane) -> Volume:
    return volume_of(view.layer) if view.options.scope == "volume" else read_plane(shown)


def _written(write: Callable[[Path], None], path: Path) -> Path:
    write(path)
    return path
