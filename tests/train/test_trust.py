from __future__ import annotations

import numpy as np
import pytest

from napari_medfreq.io.model_config import Calibration
from napari_medfreq.train.reliability import Voxels, entropy, tempered
from napari_medfreq.train.trust import Trust


def images(temperature: float, count: int = 5) -> list[Voxels]:
    """Blurred discs whose truths are drawn from probabilities; what is said of them is too sure by `temperature`."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:80, :80]
    made = []
    for _ in range(count):
        p = 1 / (1 + np.exp((np.hypot(rows - 40, columns - rng.uniform(30, 50)) - 20) / 3))
        truth = (rng.random(p.shape) < p).astype(np.intp)
        said = tempered(p[None], 1 / temperature)
        made.append(Voxels(said[1:].astype(np.float16), (p >= 0.5).astype(np.intp), truth, entropy(said)))
    return made


def test_the_error_before_and_after_is_stated() -> None:
    calibration = Calibration(2.5, uncertainty_threshold=0.5)
    trust = Trust(calibration)
    for image in images(1.0):
        trust.add(image, 0.9, 0.85)
    figures = trust.to_dict()
    assert figures["ece"] < 0.01 < figures["ece_before"]
    assert figures["ece_band"] < figures["ece_band_before"]
    assert figures["ece_image"] < 0.02 < figures["ece_image_before"]
    assert figures["error_auroc"] > 0.85
    assert 0.5 < figures["error_auroc_band"] < figures["error_auroc"]
    assert 0.2 < figures["ue_overlap"] < 1
    assert figures["ue_threshold"] == 0.5
    assert 0.95 < figures["retention"] < 1
    assert figures["expected_dice_error"] == pytest.approx(0.05)
    assert set(figures["reliability"]) == {"whole", "band", "whole_before", "band_before"}


def test_a_threshold_is_for_the_measure_it_was_tuned_for() -> None:
    trust = Trust(Calibration(1.0, uncertainty_threshold=0.5), "mutual-information")
    trust.add(images(1.0)[0], 0.9, None)
    figures = trust.to_dict()
    assert "error_auroc" in figures
    assert not {"ue_overlap", "ue_threshold"} & set(figures)


def test_without_calibration_there_is_no_before() -> None:
    trust = Trust()
    assert trust.to_dict() == {}
    trust.add(images(3.0)[0], 0.9, None)
    figures = trust.to_dict()
    assert not [name for name in figures if name.endswith("_before")]
    assert "expected_dice_error" not in figures
    assert figures["ece"] > 0.02
