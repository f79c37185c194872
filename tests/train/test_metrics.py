from __future__ import annotations

import numpy as np
import pytest

from napari_medfreq.train.metrics import Overlap, overlap


def test_figures_of_a_known_overlap() -> None:
    truth, mask = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    truth[:2], mask[1:3] = True, True
    found = overlap(mask.astype(np.float32) * 0.5, mask, truth)
    assert found.dice == pytest.approx(0.5)
    assert found.iou == pytest.approx(1 / 3)
    assert found.mae == pytest.approx((4 * 1.0 + 4 * 0.5 + 4 * 0.5) / 16)  # of the probability, not of the mask


def test_the_ends_of_the_scale() -> None:
    truth = np.eye(5, dtype=bool)
    assert overlap(truth.astype(np.float16), truth, truth) == Overlap(1.0, 1.0, 0.0)
    assert overlap(~truth, ~truth, truth) == Overlap(0.0, 0.0, 1.0)
    nothing = np.zeros((5, 5), bool)
    assert overlap(nothing, nothing, nothing) == Overlap(1.0, 1.0, 0.0)
    assert overlap(nothing, nothing, truth).dice == 0.0
