from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from napari_medfreq.engine.options import SegmentOptions
from napari_medfreq.engine.provenance import describe
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from napari_medfreq.io.models import ModelFolder


def test_it_says_what_repeats_the_result(rgb_model: ModelFolder, photo: Volume) -> None:
    source = Volume(photo.data, axes="cyx", name="photo", source=Path("folder") / "photo.png")
    options = SegmentOptions(passes=5, seed=7)
    facts = describe(
        rgb_model,
        source,
        options,
        device=torch.device("cpu"),
        precision=torch.bfloat16,
        seconds=1.25,
        notes=["a note"],
    )
    again = json.loads(json.dumps(facts))
    assert again["model"]["sha256"] == rgb_model.sha256
    assert SegmentOptions(**again["options"]) == options
    assert Path(again["source"]["path"]).name == "photo.png"
    assert again["device"] == "cpu"
    assert again["precision"] == "bfloat16"
    assert again["versions"]["torch"] == torch.__version__
    assert again["notes"] == ["a note"]
