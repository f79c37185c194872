from __future__ import annotations

from pathlib import Path

import pytest

from napari_medfreq.errors import ModelError
from napari_medfreq.io.cards import Card, parse_card

CARD = Card(
    title="Polyps",
    summary="Finds polyps.\nIn two lines.",
    licence="research only",
    intended_use="colonoscopy",
    not_for="diagnosis",
    data=("kvasir_seg, PraNet train",),
    metrics={"kvasir_seg": {"dice": 0.86, "n": 100}},
    text="# Polyps\n\nMore of it.",
)


def test_a_card_survives_its_file() -> None:
    assert parse_card(CARD.to_markdown(), Path("card.md")) == CARD


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: "# Only prose", "begin with its facts"),
        (lambda text: text.replace("not_for", "nicht_fuer"), "unknown entries nicht_fuer"),
        (lambda text: text.replace('licence = "research only"\n', ""), "does not say its licence"),
        (lambda text: text.replace('"research only"', '"  "'), "does not say its licence"),
        (lambda text: text.replace("title =", "title"), "not valid TOML"),
    ],
)
def test_a_card_that_leaves_something_open_is_refused(change: object, words: str) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        parse_card(change(CARD.to_markdown()), Path("a") / "card.md")  # type: ignore[operator]
    assert "card.md" in str(caught.value)


def test_figures_are_a_table_that_warns_of_marks_on_images_without_a_target() -> None:
    row = {"n": 94, "dice": 0.79, "iou": 0.69, "mae": 0.046, "empty": {"n": 11, "nothing_marked": 2}}
    labelled = {"n": 3, "dice": 0.8, "iou": 0.7, "mae": 0.1, "labels": {"head": {"dice": 0.9, "iou": 0.8, "mae": 0.2}}}
    card = Card("t", "s", "l", "i", "n", metrics={"busi": row, "hippo": labelled})
    table = card.figures()
    assert "| busi | 94 | 0.790 | 0.690 | 0.046 | marked something on 9 of 11 images without a target |" in table
    assert "| hippo: head |  | 0.900 | 0.800 | 0.200 |  |" in table
    assert "{" not in table
