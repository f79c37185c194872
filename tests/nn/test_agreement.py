from __future__ import annotations

import numpy as np
import pytest

from napari_medfreq.nn.agreement import expected_dice, soft_dice


def test_the_expectation_is_the_mean_dice_of_truths_drawn_from_the_probabilities() -> None:
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:60, :60]
    probability = 1 / (1 + np.exp((np.hypot(rows - 30, columns - 28) - 15) / 2.5))
    mask = (probability >= 0.5).astype(np.uint8)
    truths = rng.random((300, 60, 60)) < probability
    dice = [2 * (t & (mask == 1)).sum() / (t.sum() + mask.sum()) for t in truths]
    found = soft_dice(mask, probability.astype(np.float16), [1])[1]
    assert found == pytest.approx(np.mean(dice), abs=0.003)
    sure = 1 / (1 + np.exp((np.hypot(rows - 30, columns - 28) - 15) / 1.0))
    assert soft_dice(mask, sure, [1], 2.5)[1] == pytest.approx(found, abs=3e-3)
    line = expected_dice(mask, probability, [1], offset=0.3, slope=0.5)
    assert line == pytest.approx(0.3 + 0.5 * np.mean(dice), abs=0.003)
    assert expected_dice(mask, probability, [1], offset=0.9) == 1.0


def test_labels_are_judged_one_by_one_and_of_nothing_nothing_is_expected() -> None:
    labels = np.array([[0, 1, 1, 0]], np.uint8)
    probability = np.array([[[0.0, 1.0, 1.0, 0.0]], [[0.1, 0.0, 0.0, 0.0]]], np.float32)
    assert soft_dice(labels, probability, [1, 4]) == {1: 1.0, 4: None}
    assert expected_dice(labels, probability, [1, 4]) == pytest.approx(1.0)
    assert expected_dice(np.zeros_like(labels), probability, [1, 4]) is None
