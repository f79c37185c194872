from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from napari_medfreq.errors import DatasetError
from napari_medfreq.io.models import open_model
from napari_medfreq.train.cases import read_cases
from napari_medfreq.train.corrections import Correction, Corrections
from napari_medfreq.train.rehearsal import read_earlier

if TYPE_CHECKING:
    from pathlib import Path

    from napari_medfreq.io.model_config import ModelFolder

NONE = Corrections((), ())


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """400 cases of ``polyps`` in groups of two, 30 of ``vessels``, 30 of ``moles``."""
    with (tmp_path / "index.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("dataset", "id", "image", "mask", "group", "modality"))
        for n in range(400):
            table.writerow(("polyps", n, f"p{n}.png", f"m{n}.png", f"polyps:{n // 2}", "colonoscopy"))
        table.writerows(("vessels", n, f"v{n}.png", "m.png", f"vessels:{n}", "fundus-vessel") for n in range(30))
        table.writerows(("moles", n, f"d{n}.png", "m.png", f"moles:{n}", "colonoscopy") for n in range(30))
    return tmp_path / "index.csv"


@pytest.fixture
def model(models_folder: Path) -> ModelFolder:
    tiny = open_model(models_folder / "tiny")
    card = replace(tiny.card, metrics={"polyps": {"dice": 0.8}, "unknown": {"dice": 0.1}})
    return replace(tiny, card=card, input=replace(tiny.input, modalities=("colonoscopy",)))


def test_only_the_model_s_own_sets_are_gone_through_again(index: Path, model: ModelFolder) -> None:
    earlier = read_earlier([index], model, NONE)
    assert earlier is not None
    everything = (*earlier.train, *earlier.validation, *earlier.test)
    assert {case.dataset for case in everything} == {"polyps"}
    assert len(earlier.train) == 48
    assert 0 < len(earlier.validation) <= 24
    assert len(earlier.test) > 48  # to be measured with, all of them
    groups = [{case.group for case in part} for part in (earlier.train, earlier.validation, earlier.test)]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert read_earlier([index], model, NONE) == earlier


def test_what_was_corrected_neither_teaches_twice_nor_judges(index: Path, model: ModelFolder) -> None:
    first = read_earlier([index], model, NONE)
    assert first is not None
    known = first.test[0]
    corrected = Correction("x", "its own", known.image, lambda: None)  # type: ignore[arg-type,return-value]
    earlier = read_earlier([index], model, Corrections((corrected,), ()))
    assert earlier is not None
    assert known.group not in {case.group for case in earlier.test}
    assert len(earlier.test) == len(first.test) - sum(case.group == known.group for case in first.test)


def test_without_earlier_data_there_is_nothing_and_foreign_data_are_refused(index: Path, model: ModelFolder) -> None:
    assert read_earlier([], model, NONE) is None
    stranger = replace(model, input=replace(model.input, modalities=("mr-t1",)))
    with pytest.raises(DatasetError, match=r"nothing in it is of the sets that tiny was trained on \(polyps, unknown"):
        read_earlier([index], stranger, NONE)
    assert len(read_cases(index)) == 460
