"""The form: which layers, which model, how many passes, where. It reads the viewer and changes nothing."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from magicgui.widgets import ComboBox, FloatSlider, SpinBox
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_medfreq.engine.options import SegmentOptions
from napari_medfreq.errors import InputError
from napari_medfreq.widgets.layers import is_input
from napari_medfreq.widgets.segment.inputs import Choice, slots, suggest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_medfreq.io.models import ModelFolder

DEFAULT_PASSES = 20


class SegmentForm(QWidget):
    """Asks what to segment and how.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose image layers can be chosen.
    models : sequence of ModelFolder
        What can be chosen to segment with.
    parent : QWidget, optional
        Qt's parent.
    single_image : bool
        Whether to ask for the image of a model that wants one only; else `choice` has no layers for such a model.

    Attributes
    ----------
    card_asked : Signal(ModelFolder)
        The user wants to read the card of the chosen model.
    model_changed : Signal(ModelFolder)
        Another model is chosen.
    """

    card_asked = Signal(object)
    model_changed = Signal(object)

    def __init__(
        self,
        viewer: Viewer,
        models: Sequence[ModelFolder],
        parent: QWidget | None = None,
        *,
        single_image: bool = True,
    ) -> None:
        super().__init__(parent)
        self._single_image = single_image
        self._viewer = viewer
        self.model = ComboBox(
            name="model",
            label="Model",
            choices=_titles(models),
            tooltip="What to look for. Read the model's card before you trust it.",
        )
        self.passes = SpinBox(
            name="passes",
            label="Uncertainty passes",
            value=DEFAULT_PASSES,
            min=0,
            max=1000,
            tooltip="How often the network answers anew with some of its channels silenced. More passes give a "
            "smoother map of uncertainty; 0 gives one plain answer and no map.",
        )
        self.device = ComboBox(
            name="device", label="Device", choices=_devices(), tooltip="Where to compute; automatic is the fastest."
        )
        self.threshold = FloatSlider(
            name="threshold",
            label="Threshold",
            value=0.5,
            min=0.05,
            max=0.95,
            step=0.05,
            tooltip="A voxel belongs to the label from this probability on (models with one label).",
        )
        self.seed = SpinBox(
            name="seed", label="Seed", value=0, min=0, max=2**31 - 1, tooltip="Same seed, same device, same result."
        )
        self._rows = QFormLayout()
        self._slots: list[ComboBox] = []
        self._lay_out()
        self._fill_slots()
        self.model.changed.connect(self._on_model)

    @property
    def chosen_model(self) -> ModelFolder | None:
        """The model that is chosen, or None if there is none."""
        return self.model.value  # type: ignore[no-any-return]

    def offer(self, models: Sequence[ModelFolder], chosen: ModelFolder) -> None:
        """Let the user choose among other `models` from now on; `chosen` is one of them."""
        self.model.choices = _titles(models)
        self.model.value = chosen

    def choice(self) -> Choice:
        """Return what is chosen.

        Raises
        ------
        InputError
            If a layer or a model is missing.
        """
        if self.chosen_model is None:
            raise InputError("There is no model. Put a model folder where `napari-medfreq models list` looks for it.")
        layers = []
        for widget in self._slots:
            if widget.value is None:
                wanted = "an image" if widget.name == "image" else f"the {widget.label} image"
                raise InputError(f"Open {wanted} first (File > Open), then choose it above.")
            layers.append(widget.value)
        options = SegmentOptions(
            passes=self.passes.value,
            seed=self.seed.value,
            device=self.device.value,
            threshold=round(self.threshold.value, 3),
        )
        return Choice(tuple(layers), self.chosen_model, options)

    def reset_choices(self, event: object = None) -> None:
        """Offer the layers that the viewer now has; what was chosen stays chosen while it is there."""
        before = {widget.name for widget in self._slots if widget.value is not None}
        for widget in self._slots:
            widget.reset_choices()
            if widget.name not in before:
                self._preset(widget)

    def choose_layer(self, layer: Layer) -> None:
        """Choose `layer` as the (first) image."""
        self._slots[0].value = layer

    def _lay_out(self) -> None:
        card = QPushButton("Card…")
        card.setToolTip("What the model is for, what it was made from and how well it does")
        card.clicked.connect(self._on_card)
        line = QHBoxLayout()
        line.addWidget(self.model.native, 1)
        line.addWidget(card)
        self._rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._rows.addRow(self.model.label, line)
        for widget in (self.passes, self.device):
            self._rows.addRow(widget.label, widget.native)
        rare = QWidget()
        rows = QFormLayout(rare)
        for widget in (self.threshold, self.seed):
            rows.addRow(widget.label, widget.native)
        more = QCollapsible("More options")
        more.addWidget(rare)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._rows)
        layout.addWidget(more)

    def _fill_slots(self) -> None:
        """Show one chooser for each image that the model wants."""
        wanted = slots(self.chosen_model) if self.chosen_model is not None else ("image",)
        if wanted == ("image",) and not self._single_image:
            wanted = ()
        if tuple(widget.name for widget in self._slots) == wanted:
            return
        for widget in self._slots:
            self._rows.removeRow(widget.native)
        self._slots = [self._slot(name) for name in wanted]
        for row, widget in enumerate(self._slots):
            self._rows.insertRow(row, widget.label, widget.native)
            self._preset(widget)

    def _slot(self, name: str) -> ComboBox:
        label = "Image" if name == "image" else name.upper()
        tip = "The layer to segment" if name == "image" else f"The layer that holds the {label} contrast"
        return ComboBox(name=name, label=label, choices=self._images, nullable=True, tooltip=tip)

    def _images(self, _widget: object = None) -> list[tuple[str, Layer]]:
        # The latest layer is the likeliest; maps of probability and uncertainty are no input.
        return [(layer.name, layer) for layer in reversed(self._viewer.layers) if is_input(layer)]

    def _preset(self, widget: ComboBox) -> None:
        images = [layer for _, layer in self._images()]
        likely = suggest(images, widget.name) or (images[0] if images and widget.name == "image" else None)
        if likely is not None:
            widget.value = likely

    def _on_model(self, model: ModelFolder) -> None:
        self._fill_slots()
        self.model_changed.emit(model)

    def _on_card(self) -> None:
        if self.chosen_model is not None:
            self.card_asked.emit(self.chosen_model)


def _titles(models: Sequence[ModelFolder]) -> list[tuple[str, ModelFolder]]:
    """Return what to call each model: its title, with its name where two share a title."""
    titles = [model.title for model in models]
    return [
        (model.title if titles.count(model.title) == 1 else f"{model.title} ({model.name})", model) for model in models
    ]


def _devices() -> list[tuple[str, str]]:
    """Offer what this machine seems to have; whether torch can use it is known only in the child process."""
    devices = [("automatic", "auto"), ("processor (CPU)", "cpu")]
    if shutil.which("nvidia-smi"):
        devices.append(("graphics card (CUDA)", "cuda"))
    if sys.platform == "darwin":
        devices.append(("graphics (Apple)", "mps"))
    return devices
