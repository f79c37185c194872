"""The form: which image, which transform and how it is set, which plane. It reads the viewer and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, LineEdit, SpinBox
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_medfreq.engine.frequencies.options import FrequencyOptions
from napari_medfreq.errors import InputError
from napari_medfreq.widgets.frequencies.controller import View
from napari_medfreq.widgets.layers import is_input

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer
    from napari.viewer import Viewer

_TRANSFORMS = [
    ("Contourlet", "contourlet"),
    ("Contourlet, shift-invariant", "nonsubsampled"),
    ("Wavelet", "wavelet"),
    ("DCT", "dct"),
    ("DCT in blocks", "block-dct"),
    ("Fourier", "fourier"),
]
_TIPS = {
    "contourlet": "Scales and directions, with few more numbers than pixels.",
    "nonsubsampled": "Scales and directions, every band as large as the image: nothing moves when the image does.",
    "wavelet": "Octaves: horizontal, vertical and diagonal detail.",
    "dct": "Cosines over the whole image, gathered into octaves.",
    "block-dct": "Cosines over small blocks, as in JPEG.",
    "fourier": "Rings of frequency, in all directions alike.",
}
_WAVELETS = ["bior4.4", "bior2.2", "haar", "db2", "db4", "db8", "sym4", "sym8", "coif1", "coif2"]
_PLANES = [
    ("as on screen", "shown"),
    ("axial (first axis)", "axial"),
    ("coronal (second axis)", "coronal"),
    ("sagittal (third axis)", "sagittal"),
]
_SCOPES = [("the plane on screen", "slice"), ("the whole volume, in 3D", "volume")]
_OF_VOLUMES = ("wavelet", "dct", "fourier")
_CONTOURLETS = ("contourlet", "nonsubsampled")


class FrequencyForm(QWidget):
    """Asks what to look at and through which transform.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose image layers can be chosen.
    is_own : callable
        Whether a layer is the changed image, which cannot be chosen.
    parent : QWidget, optional
        Qt's parent.

    Attributes
    ----------
    changed : Signal()
        Something else is chosen.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer, is_own: Callable[[Layer], bool], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._is_own = is_own
        self.image = _box("image", "Image", self._images, "The layer to look at", nullable=True)
        self.transform = _box("transform", "Transform", _TRANSFORMS, _TIPS["contourlet"])
        self.levels = LineEdit(
            name="levels",
            label="Levels",
            value="3, 3, 4",
            tooltip="One number for each scale, coarse to fine: 3 stands for 2³ = 8 directions, 0 for none. "
            "Up to eight numbers, each 0 to 6.",
        )
        self.scales = SpinBox(name="scales", label="Octaves", value=3, min=1, max=8, tooltip="Bands above the lowest.")
        self.block = SpinBox(name="block", label="Block", value=8, min=4, max=64, tooltip="Side of a block in pixels.")
        self.plane = _box("plane", "Plane", _PLANES, "Which plane of a volume; it follows the viewer's slider")
        self.scope = _box("scope", "Look at", _SCOPES, "Wavelet, DCT and Fourier can take a volume as a whole")
        self.pyramid = _box("pyramid", "Scale filter", ["9-7", "5-3", "haar"], "Filters of the Laplacian pyramid")
        self.directional = _box("directional", "Direction filter", ["pkva", "haar"], "Filters of the directional bank")
        self.wavelet = _box("wavelet", "Wavelet", _WAVELETS, "bior4.4 is the 9-7 pair of JPEG 2000")
        self.edges = LineEdit(
            name="edges",
            label="Limits",
            value="",
            tooltip="Rising limits between the rings, in cycles/mm (cycles/px where the image has no pixel size), "
            "such as 0.1, 0.2, 0.4. Empty for octaves.",
        )
        self._rows: dict[str, tuple[QLabel, QWidget]] = {}
        self._lay_out()
        self._connect()
        self._show_rows()

    def view(self) -> View | None:
        """Return what is chosen, or None where no image is.

        Raises
        ------
        InputError
            If what was typed cannot be.
        """
        layer = self.image.value
        if layer is None:
            return None
        name = self.transform.value
        options: dict[str, Any] = {"transform": name}
        if name in _CONTOURLETS:
            options["levels"] = tuple(int(number) for number in _numbers(self.levels, whole=True))
            options |= {"pyramid": self.pyramid.value, "directional": self.directional.value}
        if name in _OF_VOLUMES:
            options["scales"] = self.scales.value
            options["scope"] = self.scope.value if layer.ndim >= 3 else "slice"
        options |= {"wavelet": {"wavelet": self.wavelet.value}, "block-dct": {"block": self.block.value}}.get(name, {})
        if name == "fourier":
            options["edges"] = _numbers(self.edges)
        return View(layer, FrequencyOptions(**options), self.plane.value)

    def reset_choices(self, event: object = None) -> None:
        """Offer the layers that the viewer now has; what was chosen stays chosen while it is there."""
        before = self.image.value
        self.image.reset_choices()
        if before is None or self.image.value is None:
            images = self._images()
            self.image.value = images[0][1] if images else None

    def choose_layer(self, layer: Layer) -> None:
        """Choose `layer`."""
        self.image.value = layer

    def _images(self, _widget: object = None) -> list[tuple[str, Layer]]:
        layers = reversed(self._viewer.layers)
        return [(layer.name, layer) for layer in layers if is_input(layer) and not self._is_own(layer)]

    def _lay_out(self) -> None:
        usual, rare = QFormLayout(), QFormLayout()
        for form, widgets in (
            (usual, (self.image, self.transform, self.levels, self.scales, self.block, self.plane, self.scope)),
            (rare, (self.pyramid, self.directional, self.wavelet, self.edges)),
        ):
            form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
            form.setContentsMargins(0, 0, 0, 0)
            for widget in widgets:
                label = QLabel(widget.label)
                label.setToolTip(widget.tooltip)
                form.addRow(label, widget.native)
                self._rows[widget.name] = (label, widget.native)
        inside = QWidget()
        inside.setLayout(rare)
        self.more = QCollapsible("More options")
        self.more.addWidget(inside)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(usual)
        layout.addWidget(self.more)
        let_shrink(self)

    def _connect(self) -> None:
        for widget in (self.levels, self.edges):
            # What is half typed is not yet meant.
            widget.native.editingFinished.connect(self._on_typed)
        self._typed = (self.levels.value, self.edges.value)
        self.transform.changed.connect(self._on_transform)
        self.image.changed.connect(self._on_image)
        for widget in (self.scales, self.block, self.plane, self.scope):
            widget.changed.connect(lambda _value: self.changed.emit())
        for widget in (self.pyramid, self.directional, self.wavelet):
            widget.changed.connect(lambda _value: self.changed.emit())

    def _on_typed(self) -> None:
        typed = (self.levels.value, self.edges.value)
        if typed != self._typed:
            self._typed = typed
            self.changed.emit()

    def _on_transform(self, name: str) -> None:
        self.transform.tooltip = _TIPS[name]
        self._show_rows()
        self.changed.emit()

    def _on_image(self, _layer: Layer | None) -> None:
        self._show_rows()
        self.changed.emit()

    def _show_rows(self) -> None:
        """Show only what means something for the chosen transform and image."""
        name, layer = self.transform.value, self.image.value
        volume = layer is not None and layer.ndim >= 3
        meaning = {
            "levels": name in _CONTOURLETS,
            "scales": name in _OF_VOLUMES,
            "block": name == "block-dct",
            "plane": volume,
            "scope": volume and name in _OF_VOLUMES,
            "pyramid": name in _CONTOURLETS,
            "directional": name in _CONTOURLETS,
            "wavelet": name == "wavelet",
            "edges": name == "fourier",
        }
        for row, shown in meaning.items():
            for part in self._rows[row]:
                part.setVisible(shown)
        self.more.setVisible(any(meaning[row] for row in ("pyramid", "wavelet", "edges")))


def let_shrink(form: QWidget) -> None:
    """Let the choosers of `form` be narrower than their longest entry, so that long names do not widen the dock."""
    for box in form.findChildren(QComboBox):
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(8)


def _box(name: str, label: str, choices: Any, tooltip: str, *, nullable: bool = False) -> ComboBox:
    return ComboBox(name=name, label=label, choices=choices, tooltip=tooltip, nullable=nullable)


def _numbers(widget: LineEdit, *, whole: bool = False) -> tuple[float, ...]:
    """Return the numbers that were typed, with commas or spaces between.

    Raises
    ------
    InputError
        If there is something else.
    """
    words = widget.value.replace(",", " ").replace(";", " ").split()
    try:
        return tuple(int(word) if whole else float(word) for word in words)
    except ValueError as error:
        kind = "whole numbers" if whole else "numbers"
        raise InputError(
            f"{widget.label}: {widget.value!r} are not {kind}; type them with commas between, such as "
            f"{'3, 3, 4' if whole else '0.1, 0.2, 0.4'}."
        ) from error
