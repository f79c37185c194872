from __future__ import annotations

import numpy as np
import pytest
from torchmetrics.functional.classification import binary_auroc, binary_calibration_error

from napari_medfreq.train.reliability import (
    BINS,
    Reliability,
    Voxels,
    auroc,
    boundary_band,
    by_uncertainty,
    classes,
    entropy,
    overlap_of_errors,
    retention,
    tempered,
)

torch = pytest.importorskip("torch")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_calibration_error_is_that_of_torchmetrics(rng: np.random.Generator) -> None:
    """Its confidence is the probability of class 1, and its target whether that is right, when all lie above a half."""
    confidence = rng.uniform(0.5, 1.0, 5000)
    right = rng.random(5000) < confidence**2
    expected = binary_calibration_error(torch.tensor(confidence), torch.tensor(right.astype(int)), n_bins=BINS)
    found = Reliability.of(confidence, right)
    assert found.error == pytest.approx(float(expected), abs=1e-4)
    assert sum(row["share"] for row in found.rows()) == pytest.approx(1.0, abs=1e-3)
    assert Reliability().error == 0.0
    assert Reliability.of(confidence, rng.random(5000) < confidence).error < 0.02


def test_the_auroc_is_that_of_torchmetrics(rng: np.random.Generator) -> None:
    uncertainty = rng.beta(0.5, 4, 4000).astype(np.float16)
    wrong = rng.random(4000) < uncertainty
    expected = binary_auroc(torch.tensor(uncertainty.astype(np.float32)), torch.tensor(wrong.astype(int)))
    assert auroc(by_uncertainty(uncertainty, wrong), by_uncertainty(uncertainty, ~wrong)) == pytest.approx(
        float(expected), abs=1e-6
    )
    assert auroc(by_uncertainty(uncertainty, wrong), by_uncertainty(uncertainty, wrong & False)) is None


def test_a_temperature_divides_the_logits(rng: np.random.Generator) -> None:
    logits = rng.normal(size=(3, 200))
    every = np.exp(logits) / np.exp(logits).sum(axis=0)
    soft = np.exp(logits / 2) / np.exp(logits / 2).sum(axis=0)
    np.testing.assert_allclose(tempered(every[1:], 2.0), soft, atol=1e-4)
    np.testing.assert_allclose(tempered(every[1:], 1.0), every, atol=1e-5)
    p = rng.random(100)
    np.testing.assert_allclose(tempered(tempered(p[None], 1.7)[1:], 1 / 1.7)[1], p, atol=1e-3)
    assert entropy(np.full((3, 1), 1 / 3, np.float32)) == pytest.approx(1.0, abs=1e-5)


def test_overlap_counts_what_is_both_uncertain_and_wrong() -> None:
    uncertainty = np.array([0.1, 0.4, 0.6, 0.9])
    wrong = np.array([False, True, False, True])
    found = overlap_of_errors(uncertainty, wrong, np.array([0.0, 0.3, 0.5, 0.95]))
    np.testing.assert_allclose(found, [2 * 2 / 6, 2 * 2 / 5, 2 * 1 / 4, 0.0])
    assert overlap_of_errors(uncertainty, np.zeros(4, bool), np.array([0.95])) == [1.0]


def test_putting_right_the_most_uncertain_first_pays_when_it_points_at_errors(rng: np.random.Generator) -> None:
    truth = (rng.random(2000) < 0.3).astype(np.intp)
    wrong = rng.random(2000) < 0.2
    found = np.where(wrong, 1 - truth, truth)
    areas = [
        retention(Voxels(np.zeros((1, 2000)), found, truth, uncertainty))
        for uncertainty in (wrong.astype(float), rng.random(2000), 1.0 - wrong)
    ]
    assert areas[0] > areas[1] > areas[2]
    tp, errors = np.count_nonzero(found & truth), np.count_nonzero(wrong)
    dice = 2 * tp / (found.sum() + truth.sum())
    assert areas[0] == pytest.approx(1 - (1 - dice) * errors / 2000 / 2, abs=0.005)


def test_the_band_lies_on_both_sides_of_the_boundary() -> None:
    truth = np.zeros((100, 100), np.intp)
    truth[30:70, 30:70] = 1
    band = boundary_band(truth)
    assert band[28, 50]
    assert band[31, 50]
    assert not band[50, 50]
    assert not band[20, 50]
    assert not boundary_band(np.zeros((9, 9), np.intp)).any()


def test_label_values_become_classes() -> None:
    assert classes(np.array([0, 4, 1, 9]), (1, 4)).tolist() == [0, 2, 1, 0]
