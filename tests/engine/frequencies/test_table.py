from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_medfreq.engine.frequencies.analysis import Frequencies
from napari_medfreq.engine.frequencies.options import FrequencyOptions
from napari_medfreq.engine.frequencies.results import Analysis
from napari_medfreq.engine.frequencies.table import band_rows, bands_csv
from napari_medfreq.transforms.bands import BandKey
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from napari_medfreq.engine.options import Sink


@pytest.fixture
def analysis(sink: Sink) -> Analysis:
    image = Volume(np.random.default_rng(0).normal(size=(32, 48)), np.diag([0.5, 0.5, 1.0, 1.0]), "yx")
    return Frequencies().analyse(image, FrequencyOptions(levels=(0, 2)), sink)


def test_a_row_says_all_of_its_band(analysis: Analysis) -> None:
    rows = band_rows(analysis, {BandKey(2, 1): 0.5})
    assert [row["band"] for row in rows] == ["0:0", "1:0", "2:0", "2:1", "2:2", "2:3"]
    row, measure = rows[3], analysis.bands[3]
    assert (row["scale"], row["direction"], row["gain"]) == (2, 1, 0.5)
    assert (row["degrees_from"], row["degrees_to"]) == (0.0, 45.0)
    # 0.5 mm pixels: the finest octave ends at 1 cycle/mm.
    assert (row["cycles_per_mm_from"], row["cycles_per_mm_to"]) == (0.5, 1.0)
    assert (row["energy"], row["coefficients"]) == (measure.energy, measure.count)
    assert rows[1]["degrees_from"] is None
    json.dumps(rows)


def test_the_file_holds_all_digits(analysis: Analysis) -> None:
    rows = list(csv.DictReader(io.StringIO(bands_csv(analysis))))
    assert [float(row["energy"]) for row in rows] == [measure.energy for measure in analysis.bands]
    assert [row["gain"] for row in rows] == ["1.0"] * len(rows)
    assert rows[0]["degrees_from"] == ""


def test_columns_state_the_unit() -> None:
    assert "cycles_per_px_from" in bands_csv(Analysis(FrequencyOptions(), _measures(), "cycles/px", 0.5))


def _measures():  # noqa: ANN202 - of a throwaway analysis
    from napari_medfreq.engine.frequencies.results import BandMeasure
    from napari_medfreq.transforms.bands import Band

    return (BandMeasure(Band(BandKey(0, 0), (0.0, 0.5)), (0.0, 0.5), 1.0, 1.0, 1.0, 1),)
