"""The Model tab: what a model finds in the changed image, what it listens to and what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QPushButton, QTabWidget, QVBoxLayout, QWidget

from napari_medfreq.errors import MedfreqError
from napari_medfreq.widgets.frequencies.form import let_shrink
from napari_medfreq.widgets.frequencies.listening import ListeningView
from napari_medfreq.widgets.frequencies.needs import NeedsView
from napari_medfreq.widgets.segment.card import CardDialog
from napari_medfreq.widgets.segment.form import SegmentForm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.viewer import Viewer

    from napari_medfreq.engine.frequencies.results import Listening, Needs
    from napari_medfreq.io.models import ModelFolder
    from napari_medfreq.widgets.frequencies.controller import FrequencyController
    from napari_medfreq.widgets.frequencies.questions import ModelQuestions
    from napari_medfreq.widgets.segment.inputs import Choice

LISTENS, NEEDS = "What the model listens to", "What the model needs"


class ModelPage(QWidget):
    """Asks a model, and shows what it answers.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers can be chosen for models of several contrasts.
    models : sequence of ModelFolder
        What can be chosen.
    questions : ModelQuestions
        Asks.
    controller : FrequencyController
        Whose changed image is followed.
    parent : QWidget, optional
        Qt's parent.
    """

    def __init__(
        self,
        viewer: Viewer,
        models: Sequence[ModelFolder],
        questions: ModelQuestions,
        controller: FrequencyController,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._questions = questions
        self.form = SegmentForm(viewer, models, single_image=False)
        self.form.passes.value = 0
        self.segment_button = QPushButton("Segment the changed image")
        self.follow = QCheckBox("Follow")
        self.listen_button = QPushButton("Ask")
        self.needs_button = QPushButton("Ask")
        self.listening = ListeningView()
        self.needs = NeedsView()
        self.tabs = QTabWidget()
        self._lay_out()
        self.form.model_changed.connect(lambda _model: let_shrink(self.form))
        self.form.card_asked.connect(lambda model: CardDialog(model, self).exec())
        self.segment_button.clicked.connect(lambda: self._ask(questions.segment_changed))
        self.listen_button.clicked.connect(lambda: self._ask(questions.listen))
        self.needs_button.clicked.connect(lambda: self._ask(questions.probe))
        self.follow.toggled.connect(lambda _on: self.on_changed())
        controller.changed.connect(self.on_changed)
        controller.looked.connect(lambda _shown: self._forget())
        questions.listened.connect(self._on_listened)
        questions.needs_begun.connect(self.needs.begin)
        questions.dice_known.connect(self.needs.show_dice)
        questions.needs_known.connect(self._on_needs)

    def on_changed(self) -> None:
        """Segment the changed image again, if the user wants that."""
        if self.follow.isChecked():
            self._ask(self._questions.segment_changed)

    def _lay_out(self) -> None:
        self.segment_button.setToolTip(
            "Segment what the bands now give. Of a volume the model sees only this plane: to give it the neighbouring "
            "ones, change all planes (Bands > Layers) and segment that layer."
        )
        self.follow.setToolTip("Segment again whenever the changed image changes")
        for title, button, view, tip in (
            (LISTENS, self.listen_button, self.listening, "Attention of the network to frequencies, in this image"),
            (
                NEEDS,
                self.needs_button,
                self.needs,
                "Mute each band in turn and segment the plane again",
            ),
        ):
            button.setToolTip(tip)
            page = QWidget()
            layout = QVBoxLayout(page)
            layout.setContentsMargins(4, 6, 4, 4)
            layout.addWidget(button)
            layout.addWidget(view)
            self.tabs.setTabToolTip(self.tabs.addTab(page, title.replace("the model", "it")), title)
        line = QHBoxLayout()
        line.addWidget(self.segment_button, 1)
        line.addWidget(self.follow)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.form)
        let_shrink(self.form)
        layout.addLayout(line)
        layout.addWidget(self.tabs)

    def _ask(self, question: Callable[[Choice], None]) -> None:
        try:
            choice = self.form.choice()
        except MedfreqError as error:
            self._questions.said.emit(str(error), True)
            return
        question(choice)

    def _on_listened(self, listening: Listening, where: str) -> None:
        self.listening.show_listening(listening, where)

    def _on_needs(self, needs: Needs, where: str) -> None:
        self.needs.finish(needs.model, where, needs.pixels)

    def _forget(self) -> None:
        """Do not show what was said of another plane as if it were said of this one."""
        if self.listening.listening is not None:
            self.listening.show_listening(None)
        if self.needs.dice and not self._questions.busy:
            self.needs.reset()
