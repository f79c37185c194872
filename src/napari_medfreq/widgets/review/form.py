"""The form: which mask, with which maps and image, is reviewed. It reads the viewer and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magicgui.widgets import ComboBox, FloatSlider, SpinBox
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_medfreq.errors import InputError
from napari_medfreq.io.review import QueueOptions
from napari_medfreq.widgets.parts import companions
from napari_medfreq.widgets.review.inputs import Choice, images_for, maps_for, probability_choices

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer
    from napari.viewer import Viewer

_NO_MASK = "Segment an image first, or open a mask with its probability: then it can be reviewed."
_DEFAULTS = QueueOptions()


class ReviewForm(QWidget):
    """Asks what to review.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers can be chosen.
    is_own : callable
        Tells which masks cannot be chosen: the dock's own, and those under review already.
    parent : QWidget, optional
        Qt's parent.

    Attributes
    ----------
    changed : Signal
        Another mask is chosen.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer, is_own: Callable[[Layer], bool], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._is_own = is_own
        self.labels = ComboBox(label="Mask", choices=self._masks, nullable=True, tooltip="The labels layer to correct")
        self.probability = ComboBox(
            label="Probability",
            choices=self._probabilities,
            nullable=True,
            tooltip="How strongly the model believes in each label: where it is undecided is where to look",
        )
        self.uncertainty = ComboBox(
            label="Uncertainty",
            choices=self._uncertainties,
            nullable=True,
            tooltip="A map of uncertainty, shown for each region; the queue can do without",
        )
        self.image = ComboBox(label="Image", choices=self._images, nullable=True, tooltip="What the mask was made from")
        self.doubt = FloatSlider(
            label="Least doubt",
            value=_DEFAULTS.doubt,
            min=0.02,
            max=0.5,
            step=0.01,
            tooltip="A voxel is looked at where the chance that its label is wrong is at least this. "
            "Lower finds more regions.",
        )
        self.smallest = SpinBox(
            label="Least voxels",
            value=_DEFAULTS.smallest,
            min=1,
            max=100_000,
            tooltip="Smaller regions are passed over",
        )
        self._lay_out()
        self.labels.changed.connect(self._on_mask)
        self.reset_choices()

    def choice(self) -> Choice:
        """Return what is chosen.

        Raises
        ------
        InputError
            If a layer is missing.
        """
        if self.labels.value is None:
            raise InputError(_NO_MASK)
        for widget in (self.probability, self.image):
            if widget.value is None:
                raise InputError(
                    f"Choose the {str(widget.label).lower()} that belongs to {self.labels.value.name}: "
                    "it must lie on the same voxels."
                )
        options = QueueOptions(doubt=round(self.doubt.value, 3), smallest=self.smallest.value)
        maps = (self.probability.value, self.uncertainty.value)
        return Choice(self.image.value, self.labels.value, *maps, options)

    def reset_choices(self, event: object = None) -> None:
        """Offer the layers that the viewer now has; what was chosen stays chosen while it is there."""
        before = self.labels.value
        self.labels.reset_choices()
        if self.labels.value is None or before is None:
            self._preset_mask()
        for widget in (self.probability, self.uncertainty, self.image):
            widget.reset_choices()
        self._preset()

    def _lay_out(self) -> None:
        rows = QFormLayout()
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for widget in (self.labels, self.probability, self.uncertainty, self.image):
            rows.addRow(widget.label, widget.native)
        rare = QWidget()
        rare_rows = QFormLayout(rare)
        for widget in (self.doubt, self.smallest):
            rare_rows.addRow(widget.label, widget.native)
        more = QCollapsible("More options")
        more.addWidget(rare)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(rows)
        layout.addWidget(more)

    def _masks(self, _widget: object = None) -> list[tuple[str, Layer]]:
        from napari.layers import Labels

        layers = reversed(self._viewer.layers)
        return [(layer.name, layer) for layer in layers if isinstance(layer, Labels) and not self._is_own(layer)]

    def _probabilities(self, _widget: object = None) -> list[tuple[str, tuple[Layer, ...]]]:
        mask = self.labels.value
        return [] if mask is None else probability_choices(mask, list(self._viewer.layers))

    def _uncertainties(self, _widget: object = None) -> list[tuple[str, Layer]]:
        mask = self.labels.value
        return [] if mask is None else [(layer.name, layer) for layer in maps_for(mask, self._viewer.layers)]

    def _images(self, _widget: object = None) -> list[tuple[str, Layer]]:
        mask = self.labels.value
        return [] if mask is None else [(layer.name, layer) for layer in images_for(mask, self._viewer.layers)]

    def _preset_mask(self) -> None:
        """Choose the latest mask that a model made."""
        masks = [layer for _, layer in self._masks()]
        made = [mask for mask in masks if companions(mask, self._viewer.layers, "probability")]
        if made or masks:
            self.labels.value = (made or masks)[0]

    def _preset(self) -> None:
        mask = self.labels.value
        if mask is None:
            return
        layers = list(self._viewer.layers)
        if self.probability.value is None and (own := companions(mask, layers, "probability")):
            self.probability.value = own
        if self.uncertainty.value is None and (own := companions(mask, layers, "uncertainty")):
            self.uncertainty.value = own[0]
        if self.image.value is None and (images := images_for(mask, layers)):
            self.image.value = images[0]

    def _on_mask(self, _mask: object) -> None:
        for widget in (self.probability, self.uncertainty, self.image):
            widget.value = None
            widget.reset_choices()
        self._preset()
        self.changed.emit()
