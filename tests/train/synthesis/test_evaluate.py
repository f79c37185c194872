from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_medfreq.errors import DatasetError
from napari_medfreq.train.synthesis.evaluate import (
    compare,
    evaluate,
    fitted_predictors,
    head_of,
    network_predictor,
)
from napari_medfreq.train.synthesis.export import load_fitted, load_run
from napari_medfreq.train.synthesis.persons import read_persons, split_persons

from .conftest import CONTRASTS, Finished

if TYPE_CHECKING:
    from typing import Any


def test_the_figures_are_those_of_their_formulas() -> None:
    truth = np.random.default_rng(0).random((12, 20, 20)).astype(np.float32)
    head = np.zeros(truth.shape, bool)
    head[:, 5:15, 5:15] = True
    made = truth + np.where(head, 0.1, 0.5).astype(np.float32)  # what is off outside of the head does not count
    found = compare(truth, made, head, head & (truth > 0.5))
    span = np.percentile(truth[head], 99.9)
    assert found.psnr == pytest.approx(20 * np.log10(span / 0.1), abs=1e-3)
    assert found.mae == pytest.approx(0.1 / span, abs=1e-5)
    assert found.lesion_psnr == pytest.approx(found.psnr, abs=1e-3)
    assert 0 < found.ssim < 1
    same = compare(truth, truth + 1e-9, head)
    assert same.ssim == pytest.approx(1.0, abs=1e-5)
    assert same.lesion_psnr is None
    thin = compare(truth[:3], made[:3], head[:3])
    assert 0 < thin.ssim < 1


def test_the_trained_network_beats_the_regression_on_persons_it_never_saw(finished: Finished) -> None:
    """The third contrast of these blobs is the first one folded: no line can make it."""
    config, network = load_run(finished.folder)
    persons = read_persons(finished.data / "persons", CONTRASTS)
    test = split_persons(persons, config.data.strata, 1, "persons").test
    methods = {"": network_predictor(network, torch.float32), **fitted_predictors(load_fitted(finished.folder))}
    steps: list[tuple[int, int]] = []
    found = evaluate(test, CONTRASTS, methods, lambda done, total: steps.append((done, total)))
    said: dict[str, Any] = json.loads(json.dumps(found.to_dict()))
    flair = said["targets"]["flair"]
    line = flair["baselines"]["linear regression"]
    assert flair["psnr"] > line["psnr"] + 0.2
    assert flair["ssim"] > line["ssim"] + 0.01
    assert list(said["targets"]) == list(CONTRASTS)
    assert set(flair["baselines"]) == {"mean of matched inputs", "linear regression"}
    assert set(said["persons"]) == {person.name for person in test}
    assert steps[-1] == (18, 18)


def test_nobody_to_evaluate_on() -> None:
    with pytest.raises(DatasetError, match="nobody"):
        evaluate([], CONTRASTS, {})


def test_the_head_is_where_any_input_shows_it() -> None:
    inputs = np.array([[[[0.0, 0.04, 0.3]]], [[[0.0, 0.06, 0.0]]]], np.float16)
    assert head_of(inputs).tolist() == [[[False, True, True]]]
