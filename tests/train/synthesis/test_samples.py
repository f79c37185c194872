from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_medfreq.train.synthesis.config import VariationConfig
from napari_medfreq.train.synthesis.persons import Study, load_study, read_persons
from napari_medfreq.train.synthesis.samples import SynthesisSamples

from .conftest import CONTRASTS

if TYPE_CHECKING:
    from pathlib import Path

STILL = VariationConfig(rotate=0, scale=0, flip=False, gamma=0, gain=0)


@pytest.fixture(scope="module")
def study(persons: Path) -> Study:
    return load_study(read_persons(persons / "persons", CONTRASTS)[0], CONTRASTS)


def test_a_sample_can_be_repeated_and_the_targets_take_turns(study: Study) -> None:
    samples = SynthesisSamples([study], CONTRASTS, 3, 24, VariationConfig(), seed=1)
    for index in range(6):
        inputs, target, truth = samples[index]
        again = samples[index]
        assert torch.equal(inputs, again[0])
        assert int(target) == index % 3
        assert inputs.shape == (2, 3, 24, 24)
        assert truth.shape == (1, 24, 24)
        assert inputs.min() >= -1
        assert inputs.max() <= 1
    assert not torch.equal(samples[0][0], samples[3][0])
    other = SynthesisSamples([study], CONTRASTS, 3, 24, VariationConfig(), seed=2)
    assert not torch.equal(samples[0][0], other[0][0])


def test_unchanged_crops_are_the_voxels_themselves(study: Study) -> None:
    samples = SynthesisSamples([study], CONTRASTS, 1, 16, STILL, seed=0)
    inputs, target, truth = samples[4]  # of t2, the inputs are flair and t1
    assert int(target) == 1
    wanted = truth[0].add(1).div(2).numpy()
    for plane in range(study.stacks.shape[1]):
        image = study.stacks[1, plane].astype(np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(image, (16, 16))
        distance = np.abs(windows - wanted).max((2, 3))
        if distance.min() < 1e-3:
            row, column = np.unravel_index(distance.argmin(), distance.shape)
            for branch, contrast in enumerate((2, 0)):
                crop = study.stacks[contrast, plane, row : row + 16, column : column + 16]
                np.testing.assert_allclose(inputs[branch, 0].add(1).div(2), crop.astype(np.float32), atol=1e-3)
            return
    pytest.fail("the crop is nowhere in the volume")


def test_only_the_inputs_are_given_other_intensities(study: Study) -> None:
    still = SynthesisSamples([study], CONTRASTS, 1, 16, STILL, seed=0)
    varied = SynthesisSamples([study], CONTRASTS, 1, 16, replace(STILL, gamma=0.3, gain=0.2), seed=0)
    assert torch.equal(still[5][2], varied[5][2])
    assert not torch.allclose(still[5][0], varied[5][0], atol=1e-2)


def test_planes_without_a_head_are_left_out(study: Study) -> None:
    head = study.head.copy()
    head[:3] = False
    samples = SynthesisSamples([replace(study, head=head)], CONTRASTS, 1, 16, STILL, seed=0)
    assert min(plane for _, plane in samples.planes) == 3
