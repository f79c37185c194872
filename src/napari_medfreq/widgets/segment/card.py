"""The model card, one click away from the model's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_medfreq.io.models import ModelFolder


class CardDialog(QDialog):
    """Shows what a model is for, what it was made from and how well it does."""

    def __init__(self, model: ModelFolder, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(model.title)
        self.resize(640, 620)
        text = QTextBrowser()
        text.setOpenExternalLinks(True)
        text.setMarkdown(card_markdown(model))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(text)
        layout.addWidget(buttons)


def card_markdown(model: ModelFolder) -> str:
    """Return the card of `model` as Markdown to be read: facts first, then figures, then the prose."""
    card = model.card
    wants = f"{', '.join(model.input.channels)}" + (
        f"; {model.input.slices} neighbouring slices together" if model.input.slices > 1 else ""
    )
    parts = [
        card.summary,
        f"**For:** {card.intended_use}",
        f"**Not for:** {card.not_for}",
        f"**Finds:** {', '.join(label.name for label in model.labels)}",
        f"**Wants:** {wants}",
        f"**Licence:** {card.licence}",
        f"**Version:** {model.version} ({model.name}, sha256 {model.sha256[:12]}…)",
    ]
    if card.data:
        parts.append("## Trained on\n\n" + "\n".join(f"- {entry}" for entry in card.data))
    if card.metrics:
        parts.append("## Measured on cases kept out\n\n" + card.figures())
    return "\n\n".join([*parts, card.text])
