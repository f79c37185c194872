"""The Frequencies dock: what it shows, top to bottom, and what it asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_medfreq.engine.frequencies.table import bands_csv
from napari_medfreq.errors import MedfreqError
from napari_medfreq.io.models import find_models
from napari_medfreq.jobs.host import ChildExecutor
from napari_medfreq.widgets.docking import DockedWidget
from napari_medfreq.widgets.frequencies.asking import Asker
from napari_medfreq.widgets.frequencies.controller import FrequencyController
from napari_medfreq.widgets.frequencies.form import FrequencyForm
from napari_medfreq.widgets.frequencies.making import ProductMaker
from napari_medfreq.widgets.frequencies.model_page import ModelPage
from napari_medfreq.widgets.frequencies.panel import BandPanel
from napari_medfreq.widgets.frequencies.questions import ModelQuestions
from napari_medfreq.widgets.frequencies.spectra import SpectraPage
from napari_medfreq.widgets.wording import ERROR_STYLE, log_failure, with_suffix

if TYPE_CHECKING:
    from collections.abc import Sequence

    import napari.viewer

    from napari_medfreq.engine.frequencies.results import Analysis
    from napari_medfreq.io.models import ModelFolder
    from napari_medfreq.jobs.messages import Executor, Progress
    from napari_medfreq.widgets.frequencies.planes import ShownPlane

_WIDTH = 380
_NO_IMAGE = "Open an image (File > Open): its frequencies are shown here."


class FrequenciesDock(DockedWidget):
    """Look at an image through its frequency bands, change them, and see what a model makes of it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.
    executor : Executor, optional
        Who changes images; by default a child process of this dock. It is shut down when the dock is closed.
    model_executor : Executor, optional
        Who runs models; by default another child process, which starts when a model is first asked, so that the bands
        go on following while a model works. It is shut down as well.
    models : sequence of ModelFolder, optional
        What can be chosen; by default all models that are installed.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        executor: Executor | None = None,
        model_executor: Executor | None = None,
        models: Sequence[ModelFolder] | None = None,
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self._executor = ChildExecutor() if executor is None else executor
        self._model_executor = ChildExecutor() if model_executor is None else model_executor
        if models is None:
            models = find_models(lambda _path, _error: None)
        self.controller = FrequencyController(viewer, self._executor, self)
        self.questions = ModelQuestions(viewer, self.controller, self._model_executor, self)
        self.maker = ProductMaker(viewer, self.controller, self._executor, self)
        self._spectrum_asker = Asker(self._executor, self.controller.worker, self)
        self.form = FrequencyForm(viewer, self.controller.layer.is_own)
        self.bands = BandPanel(self.controller.gains)
        self.spectra = SpectraPage(self.controller, self.maker, viewer, self._spectrum_asker)
        self.model = ModelPage(viewer, models, self.questions, self.controller)
        self.tabs = QTabWidget()
        self.where = QLabel()
        self.layers_button = QPushButton("Layers")
        self.save_button = QPushButton("Save")
        self.bar = QProgressBar()
        self.cancel_button = QPushButton("Cancel")
        self.message = QLabel()
        self._lay_out()
        self._connect()
        self._executor.warm_up().add_done_callback(log_failure)
        self.form.reset_choices()
        self.look()

    def look(self) -> None:
        """Look at what is chosen in the form."""
        try:
            view = self.form.view()
        except MedfreqError as error:
            self.say(str(error), error=True)
            return
        self.say("" if view is not None else _NO_IMAGE)
        self.controller.look(view)

    def sizeHint(self) -> QSize:
        """Leave most of the window to the image."""
        return QSize(_WIDTH, 700)

    def say(self, text: str, error: bool = False) -> None:
        """Show `text` at the end of the dock."""
        self.message.setText(text)
        self.message.setStyleSheet(ERROR_STYLE if error else "")
        self.message.setVisible(bool(text))

    def _lay_out(self) -> None:
        for text, action, tip in (
            ("Chosen bands: coefficients", lambda: self._add_bands("coefficients"), "The numbers of the transform"),
            (
                "Chosen bands: what they give to the image",
                lambda: self._add_bands("component"),
                "On the image's pixels",
            ),
            ("Keep a copy of the changed image", self.maker.keep, "A layer that no longer follows"),
            ("Change all planes of the volume", self.maker.change_volume, "With these gains, as a new layer"),
        ):
            self._menu_of(self.layers_button).addAction(text, action).setToolTip(tip)
        self._menu_of(self.save_button).addAction("Coefficients of all bands (.npz)…", self._ask_coefficients)
        self._menu_of(self.save_button).addAction("Table of the bands (.csv)…", self._ask_table)
        self.layers_button.setToolTip("Add bands or changed images as layers")
        self.save_button.setToolTip("Save what the bands hold")
        self.message.setWordWrap(True)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        actions = QHBoxLayout()
        actions.addWidget(self.layers_button)
        actions.addWidget(self.save_button)
        self.bands.layout().addLayout(actions)
        self.bands.layout().addStretch(1)
        for page, title, tip in (
            (self.bands, "Bands", "What each scale and direction holds; mute and boost them"),
            (self.spectra, "Spectra", "Radial power spectra of several layers"),
            (self.model, "Model", "What a model finds in the changed image, listens to and needs"),
        ):
            self.tabs.setTabToolTip(self.tabs.addTab(page, title), tip)
        work = QHBoxLayout()
        work.addWidget(self.bar, 1)
        work.addWidget(self.cancel_button)
        inside = QWidget()
        layout = QVBoxLayout(inside)
        for widget in (self.form, self.where, self.tabs):
            layout.addWidget(widget)
        layout.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inside)
        bar = scroll.verticalScrollBar().sizeHint().width()
        scroll.setMinimumWidth(inside.minimumSizeHint().width() + bar)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll, 1)
        foot = QVBoxLayout()
        foot.setContentsMargins(9, 0, 9, 6)
        foot.addLayout(work)
        foot.addWidget(self.message)
        outer.addLayout(foot)
        self._show_busy(False)

    def _menu_of(self, button: QPushButton) -> QMenu:
        if button.menu() is None:
            menu = QMenu(button)
            menu.setToolTipsVisible(True)
            button.setMenu(menu)
        return button.menu()

    def _connect(self) -> None:
        # Called in reverse order: the viewer lets go of the dock first, the child processes end last.
        self.cleanup.callback(self._executor.shutdown)
        self.cleanup.callback(self._model_executor.shutdown)
        self.cleanup.callback(self.controller.close)
        self.cleanup.callback(self.questions.close)
        self.cleanup.callback(self.maker.close)
        self.cleanup.callback(self._spectrum_asker.close)
        layer_events, dims_events = self._viewer.layers.events, self._viewer.dims.events
        for event in (layer_events.inserted, layer_events.removed, layer_events.reordered, layer_events.renamed):
            for listener in (self.form.reset_choices, self.model.form.reset_choices, self.spectra.reset_choices):
                event.connect(listener)
                self.cleanup.callback(event.disconnect, listener)
        for event in (dims_events.point, dims_events.order, dims_events.ndisplay):
            event.connect(self._on_dims)
            self.cleanup.callback(event.disconnect, self._on_dims)
        self.form.changed.connect(self.look)
        self.bands.layers_asked.connect(self._add_bands)
        self.cancel_button.clicked.connect(self._cancel)
        controller, questions = self.controller, self.questions
        controller.analysed.connect(self._on_analysed)
        controller.lost.connect(lambda: self.bands.show_analysis(None))
        controller.looked.connect(self._on_looked)
        self.maker.busy_changed.connect(lambda _busy: self._show_busy(True))
        questions.busy_changed.connect(lambda _busy: self._show_busy(True))
        for source in (controller, questions, self.maker):
            source.progressed.connect(self._show_progress)
            source.said.connect(self.say)

    def _on_dims(self, event: object = None) -> None:
        self.controller.follow()

    def _on_analysed(self, analysis: Analysis) -> None:
        if self.message.styleSheet():
            self.say("")
        self.bands.show_analysis(analysis)

    def _on_looked(self, shown: ShownPlane) -> None:
        self.where.setText(shown.text.capitalize())
        self.where.setVisible(bool(shown.text))

    def _add_bands(self, form: str) -> None:
        self.maker.add_bands(self.bands.fan.chosen, "component" if form == "component" else "coefficients")

    def _ask_coefficients(self) -> None:
        path, chosen = QFileDialog.getSaveFileName(self, "Save coefficients", "bands.npz", "NumPy (*.npz)")
        if path:
            self.maker.save_coefficients(with_suffix(Path(path), chosen))

    def _ask_table(self) -> None:
        path, chosen = QFileDialog.getSaveFileName(self, "Save table", "bands.csv", "Table (*.csv)")
        if path:
            self.save_table(with_suffix(Path(path), chosen))

    def save_table(self, path: Path) -> None:
        """Write what the bands hold, and their gains, to `path` (.csv)."""
        analysis = self.controller.analysis
        if analysis is not None:
            self.maker.save_text(path, bands_csv(analysis, self.controller.gains.gains))

    def _cancel(self) -> None:
        self.maker.cancel()
        self.questions.cancel()

    def _show_busy(self, _changed: bool) -> None:
        busy = self.maker.busy or self.questions.busy
        if not busy or not self.bar.isVisible():
            self.bar.setMaximum(1)
            self.bar.setValue(0)
            self.bar.setFormat("Preparing…")
        self.bar.setVisible(busy)
        self.cancel_button.setVisible(busy)

    def _show_progress(self, progress: Progress) -> None:
        self.bar.setMaximum(max(progress.total, 1))
        self.bar.setValue(progress.done)
        self.bar.setFormat(progress.text or "%p %")
