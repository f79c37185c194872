"""What is asked of a model: what it listens to, what it needs, and what it finds in the changed image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_medfreq.errors import InputError, MedfreqError
from napari_medfreq.jobs.frequency_requests import ListenRequest, NeedsRequest
from napari_medfreq.jobs.messages import Allocated, Note, Partial, Progress
from napari_medfreq.widgets.frequencies.asking import Asker
from napari_medfreq.widgets.frequencies.planes import (
    in_layer,
    placed,
    plane_index,
    read_plane,
    remember_place,
    shape_of,
    shown_plane,
)
from napari_medfreq.widgets.segment.controller import SegmentController
from napari_medfreq.widgets.segment.inputs import gather

if TYPE_CHECKING:
    import numpy.typing as npt
    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_medfreq.engine.frequencies.options import FrequencyOptions
    from napari_medfreq.engine.frequencies.results import Analysis, Listening, Needs
    from napari_medfreq.jobs.messages import Event, Executor
    from napari_medfreq.transforms.bands import BandKey
    from napari_medfreq.volume import Volume
    from napari_medfreq.widgets.frequencies.controller import FrequencyController, View
    from napari_medfreq.widgets.frequencies.planes import ShownPlane
    from napari_medfreq.widgets.segment.inputs import Choice


@dataclass(frozen=True, eq=False)
class Inquiry:
    """One question about one plane."""

    choice: Choice
    options: FrequencyOptions
    shown: ShownPlane
    analysis: Analysis

    def volume(self) -> Volume:
        """Return what the model is to see. May take long: call it in a thread."""
        return gather(self.choice.layers, self.choice.model.input.channels)


class ModelQuestions(QObject):
    """Asks a model about the image that the Frequencies dock looks at.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where masks are shown.
    controller : FrequencyController
        Knows image, plane and changed layer.
    executor : Executor
        Who computes; it stays the caller's to shut down.
    parent : QObject, optional
        Qt's parent.

    Attributes
    ----------
    listened : Signal(Listening, str)
        The answer, and the plane in words.
    needs_begun : Signal(Analysis)
        The bands that will be tried.
    dice_known : Signal(object)
        Some more Dice, by band.
    needs_known : Signal(Needs, str)
        All of them, and the plane in words.
    segmented : Signal(Segmentation)
        The changed image was segmented.
    busy_changed : Signal(bool)
        Whether something is being computed.
    progressed : Signal(Progress)
        How far it is.
    said : Signal(str, bool)
        What the user should read, and whether it is an error.
    """

    listened = Signal(object, str)
    needs_begun = Signal(object)
    dice_known = Signal(object)
    needs_known = Signal(object, str)
    segmented = Signal(object)
    busy_changed = Signal(bool)
    progressed = Signal(object)
    said = Signal(str, bool)

    def __init__(
        self, viewer: Viewer, controller: FrequencyController, executor: Executor, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._controller = controller
        self._executor = executor
        self._listener = Asker(executor, controller.worker, self)
        self._prober = Asker(executor, controller.worker, self)
        self._dice: npt.NDArray[Any] | None = None
        self._segmenter: SegmentController | None = None
        self._results: Any = None
        self._again: Choice | None = None
        self._listener.answered.connect(self._on_listened)
        self._prober.answered.connect(self._on_needs)
        for asker in (self._listener, self._prober):
            asker.happened.connect(self._on_event)
            asker.failed.connect(lambda text: self.said.emit(text, True))
            asker.busy_changed.connect(lambda _busy: self.busy_changed.emit(self.busy))

    @property
    def busy(self) -> bool:
        """Whether something is being computed."""
        segmenting = self._segmenter is not None and self._segmenter.running
        return self._listener.busy or self._prober.busy or segmenting

    def listen(self, choice: Choice) -> None:
        """Ask what the model listens to in the plane on screen."""
        inquiry = self._inquiry(choice)
        if inquiry is not None:
            self._listener.ask(inquiry, lambda: _listen_request(inquiry))

    def probe(self, choice: Choice) -> None:
        """Ask what the model needs of the plane on screen."""
        inquiry = self._inquiry(choice)
        if inquiry is None:
            return
        if inquiry.options.scope == "volume":
            self.said.emit("Models look at planes: choose to look at the plane on screen first.", True)
            return
        self._dice = None
        self.needs_begun.emit(inquiry.analysis)
        self._prober.ask(inquiry, lambda: _needs_request(inquiry))

    def segment_changed(self, choice: Choice) -> None:
        """Segment the changed image; while that is being done, note that it is to be done again."""
        if self._segmenter is not None and self._segmenter.running:
            self._again = choice
            return
        changed, view = self._controller.layer.layer, self._controller.view
        if changed is None or view is None:
            self.said.emit("There is no changed image yet. Mute or boost a band first.", True)
            return
        try:
            layers = tuple(self._seen(layer, changed, view) for layer in choice.layers or (view.layer,))
        except MedfreqError as error:
            self.said.emit(str(error), True)
            return
        self._segmenting().run(replace(choice, layers=layers))

    def cancel(self) -> None:
        """Give up what is being computed."""
        self._again = None
        self._listener.forget()
        self._prober.forget()
        if self._segmenter is not None:
            self._segmenter.cancel()

    def close(self) -> None:
        """Give up what is being computed; no signal is sent afterwards."""
        self.blockSignals(True)
        for asker in (self._listener, self._prober):
            asker.close()
        if self._segmenter is not None:
            self._segmenter.close()

    def _inquiry(self, choice: Choice) -> Inquiry | None:
        view, shown, analysis = self._controller.view, self._controller.shown, self._controller.analysis
        if view is None or shown is None or analysis is None:
            self.said.emit("Open an image first (File > Open), then choose it above.", True)
            return None
        if not choice.layers:
            choice = replace(choice, layers=(view.layer,))
        return Inquiry(choice, replace(view.options, plane=shown.plane), shown, analysis)

    def _seen(self, layer: Layer, changed: Layer, view: View) -> Layer:
        """Return what the model is to see of `layer`: the changed image in its place, of others the same plane."""
        if layer is view.layer:
            return changed
        if shape_of(changed) == shape_of(layer):
            return layer
        from napari.layers import Image

        shown = shown_plane(layer, self._viewer.dims, view.plane)
        data = in_layer(shown, read_plane(shown).data)
        if shape_of(changed) != data.shape[: layer.ndim]:
            raise InputError(f"{layer.name!r} does not lie on the grid of {view.layer.name!r}; resample it first.")
        plane = Image(data, name=layer.name, rgb=bool(getattr(layer, "rgb", False)), **placed(shown))
        remember_place(shown, plane)
        return plane

    def _segmenting(self) -> SegmentController:
        """Return the controller of segmentations, which is made when it is first needed."""
        if self._segmenter is None:
            self._segmenter = SegmentController(self._viewer, self._executor, self)
            self._segmenter.progressed.connect(self.progressed)
            self._segmenter.said.connect(self.said)
            self._segmenter.started.connect(lambda: self.busy_changed.emit(True))
            self._segmenter.ended.connect(self._on_segmenting_ended)
            self._segmenter.found.connect(self._on_found)
        return self._segmenter

    def _on_found(self, segmentation: object) -> None:
        previous, self._results = self._results, self._segmenting().results
        # The mask of an image that is no longer shown is of no use, unless somebody has worked on it.
        if previous is not None and not previous.edited:
            previous.discard()
        self.segmented.emit(segmentation)

    def _on_segmenting_ended(self) -> None:
        self.busy_changed.emit(self.busy)
        choice, self._again = self._again, None
        if choice is not None:
            self.segment_changed(choice)

    def _on_event(self, inquiry: Inquiry, event: Event) -> None:
        if isinstance(event, Progress):
            self.progressed.emit(event)
        elif isinstance(event, Note):
            self.said.emit(event.text, False)
        elif isinstance(event, Allocated):
            self._dice = event.array
        elif isinstance(event, Partial) and self._dice is not None:
            (start, stop), *_ = event.region
            keys: list[BandKey] = [band.key for band in inquiry.analysis.layout]
            self.dice_known.emit({keys[i]: float(self._dice[i]) for i in range(start, stop)})

    def _on_listened(self, inquiry: Inquiry, listening: Listening) -> None:
        self.listened.emit(listening, inquiry.shown.text)

    def _on_needs(self, inquiry: Inquiry, needs: Needs) -> None:
        self.dice_known.emit({band.key: band.dice for band in needs.bands})
        self.needs_known.emit(needs, inquiry.shown.text)


def _listen_request(inquiry: Inquiry) -> ListenRequest:
    volume = inquiry.volume()
    return ListenRequest(volume, str(inquiry.choice.model.path), *_where(inquiry, volume))


def _needs_request(inquiry: Inquiry) -> NeedsRequest:
    volume = inquiry.volume()
    plane, index, frame = _where(inquiry, volume)
    options = replace(inquiry.options, plane=plane)
    return NeedsRequest(volume, str(inquiry.choice.model.path), options, index, frame)


def _where(inquiry: Inquiry, volume: Volume) -> tuple[Any, int, int]:
    first = inquiry.choice.layers[0]
    shown = replace(inquiry.shown, layer=first) if shape_of(first) == shape_of(inquiry.shown.layer) else inquiry.shown
    return plane_index(shown, volume)
