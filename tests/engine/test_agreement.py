from __future__ import annotations

import numpy as np
import pytest

from napari_medfreq.engine.agreement import expected_dice, soft_dice
from napari_medfreq.io.model_config import Calibration


def test_the_expectation_is_the_mean_dice_of_truths_drawn_from_the_probabilities() -> None:
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:60, :60]
    probability = 1 / (1 + np.exp((np.hypot(rows - 30, columns - 28) - 15) / 2.5))
    mask = (probability >= 0.5).astype(np.uint8)
    truths = rng.random((300, 60, 60)) < probability
    dice = [2 * (t & (mask == 1)).sum() / (t.sum() + mask.sum()) for t in truths]
    found = soft_dice(mask, probability.astype(np.float16), [1])[1]
    assert found == pytest.approx(np.mean(dice), abs=0.003)
    assert expected_dice(mask, probability, [1], None) is None
    calibration = Calibration(1.2, dice_slope=0.5, dice_offset=0.3, dice_error=0.05)
    assert expected_dice(mask, probability, [1], calibration) == pytest.approx(0.3 + 0.5 * np.mean(dice), abs=0.003)


def test_labels_are_judged_one_by_one_and_of_nothing_nothing_is_expected() -> None:
    labels = np.array([[0, 1, 1, 0]], np.uint8)
    probability = np.array([[[0.0, 1.0, 1.0, 0.0]], [[0.1, 0.0, 0.0, 0.0]]], np.float32)
    assert soft_dice(labels, probability, [1, 4]) == {1: 1.0, 4: None}
    calibration = Calibration(1.0, dice_error=0.1)
    assert expected_dice(labels, probability, [1, 4], calibration) == pytest.approx(1.0)
    assert expected_dice(np.zeros_like(labels), probability, [1, 4], calibration) is None
