from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from napari_medfreq.errors import ModelError
from napari_medfreq.io.cards import Card
from napari_medfreq.io.model_config import Calibration, InputSpec, LabelName, dump_config, parse_config

CARD = Card("T", "S", "L", "I", "N")
CONFIG: dict[str, Any] = {
    "format": 1,
    "name": "tiny",
    "title": "Tiny",
    "version": "1.0",
    "task": "lesion",
    "sha256": "0" * 64,
    "network": {"classes": 1, "levels": [2, 3]},
    "input": {"channels": ["t1", "flair"], "slices": 3, "size": 64, "normalisation": "percentile"},
    "labels": [{"value": 1, "name": "lesion", "colour": "#e8a33d"}],
}
PATH = Path("models") / "tiny"


def test_a_config_means_what_it_says() -> None:
    model = parse_config(dict(CONFIG), PATH, CARD)
    assert model.input == InputSpec(("t1", "flair"), 3, 64, None, "percentile")
    assert model.labels == (LabelName(1, "lesion", "#e8a33d"),)
    assert dump_config(model) == {**CONFIG, "network": {"classes": 1, "levels": [2, 3]}}


def test_a_calibration_may_be_stated() -> None:
    stated = {"temperature": 1.3, "cases": 40, "uncertainty_threshold": 0.4, "dice_error": 0.05}
    model = parse_config({**CONFIG, "calibration": stated}, PATH, CARD)
    assert model.calibration == Calibration(1.3, 0.0, 40, 0.4, dice_error=0.05)
    assert model.calibration.temperature_for(0.3) == 1.3
    assert parse_config(dump_config(model), PATH, CARD).calibration == model.calibration
    assert parse_config(dict(CONFIG), PATH, CARD).calibration is None


def test_small_finds_may_be_softened_more_than_large_ones() -> None:
    calibration = Calibration(0.8, temperature_slope=-0.5)
    temperatures = [calibration.temperature_for(share) for share in (0.0, 0.1, 0.25, 1.0)]
    assert temperatures == pytest.approx([0.8 / 0.1**0.5, 0.8 / 0.1**0.5, 1.6, 0.8])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "Update napari-medfreq"),
        ({"format": "old"}, "reads format 1"),
        ({"colour": "red"}, "does not know: colour"),
        ({"version": 1}, "version must be a text"),
        ({"input": {"channels": ["t1"], "depth": 3}}, "does not know: depth"),
        ({"input": {"channels": ["t1"], "slices": 2}}, "must be odd"),
        ({"input": {"channels": ["t1"], "size": 8}}, "at least 32"),
        ({"input": {"channels": ["t1"], "spacing": 0.0}}, "above 0 mm"),
        ({"input": {"channels": ["t1"], "normalisation": "zscore"}}, "'unit' or 'percentile'"),
        ({"input": {"channels": ["t1", "t1"]}}, "different names"),
        ({"input": {"size": 64}}, "missing or of the wrong kind"),
        ({"labels": []}, "at least one label"),
        ({"labels": [{"value": 300, "name": "a", "colour": "#ffffff"}]}, "between 1 and 255"),
        ({"labels": [{"value": 1, "name": "a", "colour": "red"}]}, "#e8a33d"),
        ({"labels": [{"value": 1, "name": "a"}]}, "lacks colour"),
        ({"name": "../up"}, "letters, digits"),
        ({"calibration": {"temperature": 0.0}}, "temperature must lie between"),
        ({"calibration": {"cases": 3}}, "lacks temperature"),
        ({"calibration": {"temperature": 1.0, "bias": 2.0}}, "does not know: bias"),
        ({"calibration": {"temperature": "hot"}}, "of the wrong kind"),
    ],
    ids=str,
)
def test_what_cannot_be_understood_is_refused_by_name(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        parse_config({**CONFIG, **change}, PATH, CARD)
    assert "config.toml" in str(caught.value)


def test_a_missing_entry_is_named() -> None:
    config = {key: value for key, value in CONFIG.items() if key != "task"}
    with pytest.raises(ModelError, match="lacks task"):
        parse_config(config, PATH, CARD)
