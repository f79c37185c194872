"""The section *Learn from corrections*: a better model from what was corrected, if it is a better one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_medfreq.errors import ModelError
from napari_medfreq.io.models import find_models, open_model
from napari_medfreq.widgets.review.learning import LearningRun
from napari_medfreq.widgets.review.rows import DONE
from napari_medfreq.widgets.wording import ERROR_STYLE

if TYPE_CHECKING:
    from napari_medfreq.io.models import ModelFolder
    from napari_medfreq.widgets.review.session import ReviewSession

LEAST = 2
"""Images that must be corrected or accepted: one to learn from and one to measure with."""
_ROW = 22  # pixels
_COLUMNS = ("Dice", "images", "before", "after")


class LearnPanel(QWidget):
    """Asks for a model to learn from the open review, follows the run and shows what came of it.

    Parameters
    ----------
    earlier : str
        Index or folder of earlier data, preset.

    Attributes
    ----------
    run : LearningRun
        The run that is followed.
    options : tuple of str
        Further options of ``napari-medfreq learn``.
    model_chosen : Signal(ModelFolder)
        The user wants to segment with this model from now on.
    earlier_changed : Signal(str)
        Other earlier data were chosen.
    """

    model_chosen = Signal(object)
    earlier_changed = Signal(str)

    def __init__(self, earlier: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run = LearningRun()  # outlives the widget, so that the process can still be ended
        self.options: tuple[str, ...] = ()
        self.model = QComboBox()
        self.earlier = QLineEdit(earlier)
        self.button = QPushButton()
        self.bar = QProgressBar()
        self.message = QLabel()
        self.table = QTableWidget(0, len(_COLUMNS))
        self.use_button = QPushButton("Use the new model")
        self.back_button = QPushButton()
        self._session: ReviewSession | None = None
        self._outcome: dict[str, Any] | None = None
        self._lay_out()
        self._offer_models("")
        self.button.clicked.connect(self.learn_or_cancel)
        self.use_button.clicked.connect(lambda: self._choose("model"))
        self.back_button.clicked.connect(lambda: self._choose("parent"))
        self.model.currentIndexChanged.connect(self.refresh)
        self.earlier.editingFinished.connect(lambda: self.earlier_changed.emit(self.earlier.text().strip()))
        self.run.said.connect(self._on_said)
        self.run.told.connect(self._on_event)
        self.run.ended.connect(self._on_ended)
        self._show_idle()

    def follow(self, session: ReviewSession | None) -> None:
        """Learn from this review from now on; a run that goes on is not touched."""
        if session is self._session:
            self.refresh()
            return
        self._session = session
        if session is not None:
            session.rows_changed.connect(self.refresh)
            session.row_changed.connect(self.refresh)
            self._offer_models(next((case.case.model.get("name", "") for case in session.cases), ""))
        self.refresh()

    def refresh(self, *_: object) -> None:
        """Count what there is to learn from."""
        if not self.run.running:
            self._show_idle()

    def decided(self) -> int:
        """Return how many images of the review were corrected or accepted in at least one region."""
        session = self._session
        return 0 if session is None else len({row.case.id for row in session.rows if row.state in DONE})

    def learn_or_cancel(self, *_: object) -> None:
        """Let the model learn, or end the run that goes on."""
        if self.run.running:
            self.run.cancel()
            return
        session, model = self._session, self.model.currentData()
        if session is None or model is None:
            return
        words = [str(session.path), "--model", str(model.path), *self.options]
        if earlier := self.earlier.text().strip():
            words += ["--rehearse", earlier]
        self._outcome = None
        self.table.hide()
        self.say("")
        self.run.start(words)
        self._show_running()

    def say(self, text: str, error: bool = False) -> None:
        """Show `text`."""
        self.message.setText(text)
        self.message.setStyleSheet(ERROR_STYLE if error else "")
        self.message.setVisible(bool(text))

    def close_down(self) -> None:
        """End the run; the same run goes on from its last checkpoint another day."""
        self.run.close()

    def _lay_out(self) -> None:
        self.model.setToolTip("The model that learns; it stays as it is, and what it learned becomes a new one")
        self.earlier.setPlaceholderText("optional: index or folder it was trained with")
        self.earlier.setToolTip(
            "With what the model was trained with at hand it forgets nothing, and this is measured. Without, it is "
            "held near what it was."
        )
        browse = QPushButton("…")
        browse.setToolTip("Choose the index file of the earlier data")
        browse.clicked.connect(self._ask_earlier)
        self.button.setToolTip(
            "A fifth of the corrected images is kept out, to measure what was learned from the others"
        )
        self.message.setWordWrap(True)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.use_button.setToolTip("Choose it in the Segment dock")
        self.back_button.setToolTip("Choose the model that it came from in the Segment dock; both stay in the list")
        self.table.setHorizontalHeaderLabels(_COLUMNS)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        if (header := self.table.horizontalHeader()) is not None:
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        if (side := self.table.verticalHeader()) is not None:
            side.hide()
            side.setDefaultSectionSize(_ROW)
        line, ends, form = QHBoxLayout(), QHBoxLayout(), QFormLayout()
        line.addWidget(self.earlier, 1)
        line.addWidget(browse)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Model", self.model)
        form.addRow("Earlier data", line)
        ends.addWidget(self.use_button)
        ends.addWidget(self.back_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        for widget in (self.button, self.bar, self.message):
            layout.addWidget(widget)
        layout.addLayout(ends)
        layout.addWidget(self.table)
        self.table.hide()
        self.say("")

    def _offer_models(self, preset: str) -> None:
        models = find_models(lambda *_: None)
        chosen = preset or self.model.currentText()
        self.model.clear()
        for model in models:
            self.model.addItem(model.name, model)
        # A model that is not installed is not replaced by whichever comes first.
        self.model.setCurrentIndex(self.model.findText(chosen) if chosen else 0)

    def _ask_earlier(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "The index of the earlier data", self.earlier.text(), "*.csv")
        if path:
            self.earlier.setText(path)
            self.earlier_changed.emit(path)

    def _show_running(self) -> None:
        self.button.setText("Cancel")
        self.button.setEnabled(True)
        self.bar.setMaximum(1)
        self.bar.setValue(0)
        self.bar.setFormat("starting…")
        self.bar.show()
        self._show_ends()

    def _show_idle(self) -> None:
        count = self.decided()
        self.bar.hide()
        self.button.setText(f"Learn from {count} images" if count >= LEAST else "Learn from corrections")
        self.button.setEnabled(count >= LEAST and self.model.currentData() is not None)
        if count < LEAST and self._outcome is None:
            self.say(f"Correct or accept regions of at least {LEAST} images first; {count} so far.")
        elif self.message.text().startswith("Correct or accept"):
            self.say("")
        self._show_ends()

    def _show_ends(self) -> None:
        better = self._outcome is not None and bool(self._outcome["better"])
        self.use_button.setVisible(better)
        self.back_button.setVisible(better)
        if self._outcome is not None:
            self.back_button.setText(f"Go back to {self._outcome['parent']}")

    def _on_said(self, text: str) -> None:
        self.bar.setFormat(f"{text}…")

    def _on_event(self, event: dict[str, Any]) -> None:
        kind = event.get("kind")
        if kind == "start":
            self._outcome = None  # what stands above it in the file belongs to an earlier attempt
        elif kind == "step":
            self.bar.setMaximum(int(event["total"]))
            self.bar.setValue(int(event["samples"]))
            self.bar.setFormat(f"learning, loss {float(event['loss']):.2f}")
        elif kind == "outcome":
            self._outcome = event

    def _on_ended(self, problem: str) -> None:
        if problem:
            self.say(problem, error=True)
        elif self._outcome is None:
            self.say("Cancelled. Learning from the same corrections goes on where it was.")
        else:
            self._show_outcome(self._outcome)
        self._show_idle()

    def _show_outcome(self, outcome: dict[str, Any]) -> None:
        figures = {"corrections, held out": outcome["held_out"], **outcome["earlier"]}
        self.table.setRowCount(len(figures))
        for row, (name, figure) in enumerate(figures.items()):
            cells = (name, str(figure["n"]), f"{figure['before']:.3f}", f"{figure['after']:.3f}")
            for column, text in enumerate(cells):
                self.table.setItem(row, column, QTableWidgetItem(text))
        self.table.setFixedHeight(sum(self.table.rowHeight(r) for r in range(len(figures))) + 34)
        self.table.show()
        left_out = "".join(f"\nLeft out: {reason}" for reason in outcome["left_out"])
        if outcome["better"]:
            chosen = self.model.currentText()
            self._offer_models(chosen)
            self.say(f"{outcome['name']} does better and is in the list of models.{left_out}")
        else:
            reasons = "\n".join(outcome["reasons"])
            self.say(f"The new model is not better than {outcome['parent']} and is not offered.\n{reasons}{left_out}")

    def _choose(self, which: str) -> None:
        if self._outcome is None:
            return
        try:
            model: ModelFolder = open_model(self._outcome[which])
        except ModelError as error:
            self.say(str(error), error=True)
        else:
            self._offer_models(model.name)
            self.model_chosen.emit(model)
