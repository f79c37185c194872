from __future__ import annotations

import numpy as np
import pytest

from napari_medfreq.errors import DatasetError
from napari_medfreq.io.model_config import Calibration
from napari_medfreq.train.calibration import Lessons, fit_dice, fit_temperature
from napari_medfreq.train.reliability import Voxels, entropy, tempered


def drawn(temperature: float, classes: int = 2, count: int = 8) -> list[Voxels]:
    """Images whose truth is drawn from probabilities that are then said too surely by `temperature`."""
    rng = np.random.default_rng(1)
    made = []
    for _ in range(count):
        logits = rng.normal(size=(classes, 60, 60))
        every = np.exp(logits) / np.exp(logits).sum(axis=0)
        truth = (rng.random((60, 60)) > every.cumsum(axis=0)).sum(axis=0).clip(max=classes - 1)
        said = tempered(every[1:], 1 / temperature)
        made.append(Voxels(said[1:], said.argmax(axis=0), truth, entropy(said)))
    return made


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.2])
def test_the_temperature_that_was_put_in_is_found(temperature: float, classes: int) -> None:
    found, slope = fit_temperature(drawn(temperature, classes), np.ones(8))
    assert found == pytest.approx(temperature, rel=0.05)
    assert slope == 0.0


def test_finds_of_another_size_get_another_temperature_where_that_is_so() -> None:
    rng = np.random.default_rng(0)
    made = []
    for number in range(40):
        share = (0.2, 0.8)[number % 2]
        logits = rng.normal(2.0 if share > 0.5 else -2.0, 2.4, (60, 60))
        p = 1 / (1 + np.exp(-logits))
        said = tempered(p[None], 1 / (2.5 if share < 0.5 else 1.0))
        found = said.argmax(axis=0)
        made.append(Voxels(said[1:], found, (rng.random(p.shape) < p).astype(np.intp), entropy(said)))
    calibration = Calibration(*fit_temperature(made, np.ones(40)))
    assert calibration.temperature_slope < -0.2
    assert calibration.temperature_for(made[0].share) == pytest.approx(2.5, rel=0.1)
    assert calibration.temperature_for(made[1].share) == pytest.approx(1.0, rel=0.1)


def test_sets_count_the_same_however_many_images_they_have() -> None:
    few, many = drawn(3.0, count=4), drawn(1.0, count=20)
    lessons = Lessons()
    for name, images in (("few", few), ("many", many)):
        for image in images:
            lessons.of(name).add(image, 0.5)
    balanced = lessons.calibration("dropout", "entropy", 20).temperature
    assert balanced > fit_temperature(few + many, np.ones(24))[0] + 0.2


def test_lessons_become_a_calibration() -> None:
    lessons = Lessons()
    for image in drawn(2.0, count=12):
        found, truth = image.found, image.truth
        lessons.of("drawn").add(image, 2 * np.count_nonzero(found & truth) / (found.sum() + truth.sum()))
    assert lessons.of("drawn").to_dict() == {"cases": 12}
    calibration = lessons.calibration("dropout", "entropy", 20)
    assert calibration.cases == 12
    assert calibration.temperature == pytest.approx(2.0, rel=0.05)
    assert calibration.uncertainty_threshold is not None
    assert 0.5 < calibration.uncertainty_threshold < 1.0
    assert calibration.dice_error is not None
    assert calibration.dice_error < 0.02
    with pytest.raises(DatasetError, match="at least 5 validation cases"):
        Lessons().calibration("dropout", "entropy", 20)


def test_a_line_is_taken_only_where_it_helps() -> None:
    rng = np.random.default_rng(0)
    expected = rng.uniform(0.5, 1.0, 60)
    offset, slope, error = fit_dice(expected, 0.2 + 0.7 * expected + rng.normal(0, 0.01, 60))
    assert (offset, slope) == (pytest.approx(0.2, abs=0.02), pytest.approx(0.7, abs=0.03))
    assert error == pytest.approx(0.008, abs=0.003)
    good = np.array([0.9, 0.8, 0.7, 0.85, 0.95, 0.6])
    assert fit_dice(good, good) == (0.0, 1.0, 0.0)
    assert fit_dice(np.full(9, np.nan), np.ones(9)) == (0.0, 1.0, None)
