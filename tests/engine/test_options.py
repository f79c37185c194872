from __future__ import annotations

import numpy as np
import pytest

from napari_medfreq.engine.options import LabelName, Region, Segmentation, SegmentOptions
from napari_medfreq.errors import InputError
from napari_medfreq.io import models
from napari_medfreq.volume import Volume


@pytest.mark.parametrize("options", [{"passes": -1}, {"passes": 1001}, {"threshold": 0.0}, {"threshold": 1.0}])
def test_what_makes_no_sense_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(options))} must lie between"):
        SegmentOptions(**options)  # type: ignore[arg-type]


def test_labels_are_those_of_the_model_folder() -> None:
    assert LabelName is models.LabelName


def test_sizes_are_read_as_people_write_them() -> None:
    def size(voxels: int, value: float, unit: str) -> str:
        return Region(LabelName(1, "disc", "#e8a33d"), voxels, value, unit, None, None).size_text

    assert size(37419, 37419.0, "px") == "37,419 px"
    assert size(10, 1.449, "ml") == "1.45 ml"
    assert size(10, 12345.6, "mm²") == "12,346 mm²"
    assert size(0, 0.0, "ml") == "not found"


def test_named_labels_say_what_they_are_and_keep_what_the_source_said() -> None:
    labels = Volume(np.zeros((2, 3), np.uint8), axes="yx", kind="labels", header={"dicom": {"planes": []}})
    region = Region(LabelName(2, "disc", "#e8a33d"), 0, 0.0, "px", None, None)
    provenance = {"model": {"name": "mix", "version": "1", "sha256": "ab"}}
    header = Segmentation(labels, labels, None, (region,), provenance).named_labels.header
    assert header == {
        "dicom": {"planes": []},
        "labels": {2: "disc"},
        "algorithm": {"name": "mix", "version": "1"},
    }
    assert "labels" not in labels.header
