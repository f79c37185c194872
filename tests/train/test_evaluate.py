from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from napari_medfreq.errors import DatasetError, InputError
from napari_medfreq.io.model_config import InputSpec, LabelName
from napari_medfreq.train.cases import Case, read_cases
from napari_medfreq.train.evaluate import Prediction, evaluate, network_predictor
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from pathlib import Path

DISC = (LabelName(1, "disc", "#e8a33d"),)
TWO = (LabelName(1, "left", "#e8a33d"), LabelName(2, "right", "#3d9be8"))


def bright(image: Volume) -> Prediction:
    """Find what is bright, as sure as can be."""
    mask = np.asarray(image.data).mean(axis=0) > 130
    return Prediction(mask.astype(np.uint8), mask.astype(np.float16))


def write_case(folder: Path, number: int, image: np.ndarray, mask: np.ndarray) -> Case:
    Image.fromarray(image).save(folder / f"{number}.png")
    Image.fromarray(mask).save(folder / f"{number}_mask.png")
    return Case("set", str(number), f"set:{number}", folder / f"{number}.png", folder / f"{number}_mask.png")


def test_figures_by_set_with_empty_truth_apart(drawings: Path) -> None:
    steps: list[tuple[int, int]] = []
    found = evaluate(read_cases(drawings / "index.csv"), bright, DISC, progress=lambda *step: steps.append(step))
    values = found.to_dict()
    assert set(values["datasets"]) == {"discs"}
    figures = values["datasets"]["discs"]
    assert figures["n"] == 36
    assert figures["dice"] >= figures["iou"] > 0.85
    assert figures["mae"] < 0.05
    assert figures["empty"] == {"n": 1, "nothing_marked": 1}
    assert values["skipped"] == {}
    assert steps[-1] == (37, 37)


def test_other_modalities_are_skipped_and_said(drawings: Path) -> None:
    cases = read_cases(drawings / "index.csv")[:6]
    cases[0] = replace(cases[0], task="vessels")
    cases[1] = replace(cases[1], task="")
    found = evaluate(cases, bright, DISC, modalities=("drawing",)).to_dict()
    assert found["datasets"]["discs"]["n"] == 5
    assert found["skipped"] == {"discs: the model is not for vessels": 1}


def test_several_labels_are_scored_one_by_one(tmp_path: Path) -> None:
    mask = np.zeros((16, 16), np.uint8)
    mask[:, :8], mask[:, 8:] = 1, 2
    case = write_case(tmp_path, 1, np.zeros((16, 16, 3), np.uint8), mask)

    def left_only(image: Volume) -> Prediction:
        labels = np.where(mask == 1, 1, 0).astype(np.uint8)
        return Prediction(labels, np.stack([labels == 1, labels == 2]).astype(np.float32))

    figures = evaluate([case], left_only, TWO).to_dict()["datasets"]["set"]
    assert figures["n"] == 1
    assert figures["labels"]["left"] == {"dice": 1.0, "iou": 1.0, "mae": 0.0}
    assert figures["labels"]["right"] == {"dice": 0.0, "iou": 0.0, "mae": 0.5}
    assert figures["dice"] == 0.5


def test_a_single_label_takes_every_mark_and_lossy_ones_from_the_middle(tmp_path: Path) -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    image[:, :8] = 255
    sevens, lossy = np.zeros((16, 16), np.uint8), np.full((16, 16), 6, np.uint8)
    sevens[:, :8], lossy[:, :8] = 7, 250
    cases = [write_case(tmp_path, 1, image, sevens), write_case(tmp_path, 2, image, lossy)]
    assert evaluate(cases, bright, DISC).to_dict()["datasets"]["set"]["dice"] == 1.0


def test_marks_on_an_empty_image_are_counted(tmp_path: Path) -> None:
    case = write_case(tmp_path, 1, np.full((16, 16, 3), 255, np.uint8), np.zeros((16, 16), np.uint8))
    figures = evaluate([case], bright, DISC).to_dict()["datasets"]["set"]
    assert figures == {"n": 0, "empty": {"n": 1, "nothing_marked": 0}}


def test_trouble_with_a_case_names_it(tmp_path: Path) -> None:
    case = write_case(tmp_path, 1, np.zeros((16, 16, 3), np.uint8), np.ones((8, 8), np.uint8))
    with pytest.raises(DatasetError, match=r"1_mask\.png: the mask has the shape \(8, 8\), its image \(16, 16\)"):
        evaluate([case], bright, DISC)
    case.image.unlink()
    with pytest.raises(DatasetError, match=r"set 1: .*1\.png"):
        evaluate([case], bright, DISC)


class _Brightness(torch.nn.Module):
    def __init__(self, classes: int = 1) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        assert image.shape[1:] == (3, 32, 32)
        return 40 * (image[:, :1] - 0.5).repeat(1, self.classes, 1, 1)


def test_a_bare_network_predicts_on_the_grid_of_the_picture(drawings: Path) -> None:
    spec = InputSpec(("red", "green", "blue"), size=32)
    found = evaluate(read_cases(drawings / "index.csv")[:8], network_predictor(_Brightness(), spec), DISC)
    assert found.to_dict()["datasets"]["discs"]["dice"] > 0.85


def test_a_bare_network_is_for_pictures_and_one_label() -> None:
    spec = InputSpec(("red", "green", "blue"), size=32)
    with pytest.raises(InputError, match=r"brain is no picture\. Export the run"):
        network_predictor(_Brightness(), spec)(Volume(np.zeros((4, 8, 8), np.uint8), name="brain"))
    picture = Volume(np.zeros((3, 8, 8), np.uint8), axes="cyx", calibrated=False)
    with pytest.raises(InputError, match="several labels"):
        network_predictor(_Brightness(3), spec)(picture)
