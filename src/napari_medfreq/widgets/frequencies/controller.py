"""The flow of control of the Frequencies dock: what it asks and what becomes of the answers. It knows no widget."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_medfreq.jobs.frequency_requests import AnalyseRequest, FilterRequest
from napari_medfreq.jobs.messages import Note, Progress
from napari_medfreq.transforms.bands import BandKey
from napari_medfreq.widgets.frequencies.asking import Asker
from napari_medfreq.widgets.frequencies.changed import ChangedLayer
from napari_medfreq.widgets.frequencies.gains import GainHistory
from napari_medfreq.widgets.frequencies.planes import ShownPlane, read_plane, shown_plane
from napari_medfreq.widgets.frequencies.products import turned
from napari_medfreq.widgets.volumes import volume_of

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_medfreq.engine.frequencies.options import FrequencyOptions
    from napari_medfreq.engine.frequencies.results import Analysis
    from napari_medfreq.jobs.messages import Event, Executor
    from napari_medfreq.volume import Volume
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
    said : Signal(str, bool)
        What the user should read, and whether it is an error.
    """

    analysed = Signal(object)
    looked = Signal(object)
    lost = Signal()
    changed = Signal()
    progressed = Signal(object)
    said = Signal(str, bool)

    def __init__(self, viewer: Viewer, executor: Executor, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.worker = ThreadPoolExecutor(1, thread_name_prefix="medfreq-frequencies")
        self.gains = GainHistory()
        self.layer = ChangedLayer(viewer)
        self.analysis: Analysis | None = None
        self.view: View | None = None
        self.shown: ShownPlane | None = None
        self._owing = False
        self._analyser, self._changer = (Asker(executor, self.worker, self) for _ in range(2))
        self._analyser.answered.connect(self._on_analysis)
        self._changer.answered.connect(self._on_changed)
        self._analyser.failed.connect(self._on_blind)
        self._changer.failed.connect(self._on_failed)
        for asker in (self._analyser, self._changer):
            asker.happened.connect(self._on_event)
        self.gains.changed.connect(self._on_gains)

    @property
    def looking(self) -> bool:
        """Whether what is on screen is still being analysed."""
        return self._analyser.busy

    @property
    def following(self) -> bool:
        """Whether the changed image is still being computed."""
        return self._changer.busy

    def look(self, view: View | None) -> None:
        """Look at `view` from now on; None if there is nothing."""
        before, self.view = self.view, view
        if before is not None:
            before.layer.events.data.disconnect(self._on_data)
        if view is not None:
            view.layer.events.data.connect(self._on_data)
        if view is None or not self.gains.gains:
            self.layer.remove()
        if view is None or before is None or before.layer is not view.layer:
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
        shown = shown_plane(view.layer, self._viewer.dims, view.plane)
        if not refresh and (shown.same_as(self.shown) or view.options.scope == "volume"):
            return
        self.shown = shown
        self.looked.emit(shown)
        options = options_for(view, shown)
        self._analyser.ask(shown, lambda: AnalyseRequest(read_view(view, shown), options))
        if refresh:
            # Which bands there are, and whether their gains still mean something, is known with the analysis.
            self._owing = True
        elif not self._owing and (self.gains.gains or self.layer.layer is not None):
            self._change()

    def close(self) -> None:
        """Give up all questions, take the changed layer away and end the thread; no signal is sent afterwards."""
        self.blockSignals(True)
        self.gains.changed.disconnect()
        for asker in (self._analyser, self._changer):
            asker.close()
        self.look(None)
        self.worker.shutdown(wait=True, cancel_futures=True)

    def _change(self) -> None:
        view, shown = self.view, self.shown
        if view is None or shown is None or not self.layer.wanted:
            return
        gains, options = self.gains.gains, options_for(view, shown)
        signed = gains.get(LOW_PASS) == 0
        self._changer.ask((shown, signed), lambda: FilterRequest(read_view(view, shown), options, gains))

    def _on_data(self, event: object = None) -> None:
        self.follow(refresh=True)

    def _on_gains(self) -> None:
        self.layer.renew()
        if self._owing:
            return
        if self.gains.gains or self.layer.layer is not None:
            self._change()
        else:
            # What was asked before must not show up afterwards.
            self._changer.forget()

    def _on_analysis(self, _shown: ShownPlane, analysis: Analysis) -> None:
        self.analysis = analysis
        # Muted bands of another transform mean nothing in this one.
        self.gains.set_layout(analysis.layout)
        if self._owing:
            self._owing = False
            if self.gains.gains:
                self._change()
            else:
                self.layer.remove()
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

    def _on_event(self, _about: object, event: Event) -> None:
        if isinstance(event, Progress):
            self.progressed.emit(event)
        elif isinstance(event, Note):
            self.said.emit(event.text, False)

    def _on_blind(self, text: str) -> None:
        """Show no bands where there are none: those of the image before would be taken for those of this one."""
        self.analysis = None
        self.layer.remove()
        self.lost.emit()
        self.said.emit(text, True)

    def _on_failed(self, text: str) -> None:
        self.said.emit(text, True)


def options_for(view: View, shown: ShownPlane) -> FrequencyOptions:
    """Return the options of `view` for the plane that is shown."""
    return replace(view.options, plane=shown.plane)


def read_view(view: View, shown: ShownPlane) -> Volume:
    """Return what is to be transformed: the plane, or the whole volume. May take long: call it in a thread."""
    return volume_of(view.layer) if view.options.scope == "volume" else read_plane(shown)
