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
