"""Tables hold all that is known, and what is shown in colours stays in range."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np

from napari_medfreq.engine.frequencies.options import FrequencyOptions
from napari_medfreq.engine.frequencies.results import Coefficients, Spectrum
from napari_medfreq.io.coefficients import read_coefficients
from napari_medfreq.transforms.bands import Band, BandKey
from napari_medfreq.widgets.frequencies.products import save_coefficients, spectra_csv

if TYPE_CHECKING:
    from pathlib import Path

BANDS = (Band(BandKey(0, 0), (0.0, 0.25), name="low"), Band(BandKey(1, 0), (0.25, 0.5), (-45.0, 135.0)))


def test_saved_coefficients_say_what_they_are(tmp_path: Path) -> None:
    parts = {band.key: np.full((2, 3), band.key.scale, np.float32) for band in BANDS}
    path = tmp_path / "bands.npz"
    save_coefficients(path, Coefficients(FrequencyOptions(), BANDS, parts, (8, 8)), "cycles/mm")
    read, about = read_coefficients(path)
    np.testing.assert_array_equal(read[BandKey(1, 0)], parts[BandKey(1, 0)])
    assert about["options"]["transform"] == "contourlet"
    assert about["bands"]["1:0"]["angle"] == [-45.0, 135.0]


def test_a_table_of_spectra_names_layer_and_unit() -> None:
    spectrum = Spectrum("scan", np.array([0.1, 0.2]), np.array([5.0, 4.0]), "cycles/mm")
    rows = list(csv.DictReader(io.StringIO(spectra_csv([spectrum]))))
    assert rows[1] == {"layer": "scan", "frequency": "0.2", "unit": "cycles/mm", "power": "4.0"}
