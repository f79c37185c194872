"""What lies beside a result says how it was made, whoever wrote it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_medfreq.engine.options import LabelName, Region, Segmentation
from napari_medfreq.engine.records import record, write_record
from napari_medfreq.errors import FileError
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def found() -> Segmentation:
    mask = Volume(np.ones((2, 3, 4), np.uint8), kind="labels")
    return Segmentation(
        labels=mask,
        probability=mask.like(np.ones((2, 3, 4), np.float16), kind="probability"),
        uncertainty=None,
        regions=(Region(LabelName(1, "Läsion", "#ffffff"), 24, 0.024, "ml", 0.9, None),),
        provenance={"model": {"name": "small"}, "notes": ["a note"]},
    )


def test_it_names_the_file_the_model_and_the_regions(found: Segmentation, tmp_path: Path) -> None:
    target = write_record(found, tmp_path / "mask.nii.gz")
    assert target.name == "mask.nii.gz.provenance.json"
    said = json.loads(target.read_text(encoding="utf-8"))
    assert (said["file"], said["content"], said["edited"]) == ("mask.nii.gz", "labels", False)
    assert said["model"] == {"name": "small"}
    assert said["notes"] == ["a note"]
    (region,) = said["regions"]
    assert (region["label"]["name"], region["voxels"], region["mean_probability"]) == ("Läsion", 24, 0.9)


def test_of_a_corrected_mask_it_says_that_the_regions_are_older(found: Segmentation, tmp_path: Path) -> None:
    said = record(found, tmp_path / "mask.nii.gz", edited=True)
    assert said["edited"] is True
    assert said["notes"][0] == "a note"
    assert "before the corrections" in said["notes"][1]
    assert found.provenance["notes"] == ["a note"]


def test_a_place_that_cannot_be_written_to_is_named(found: Segmentation, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="nowhere"):
        write_record(found, tmp_path / "nowhere" / "mask.nii.gz")
