from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_medfreq.train.blending import Figure, blended, case_dice, choose_share, verdict
from napari_medfreq.train.packing import Packed


def test_weights_are_averaged_and_counters_kept() -> None:
    old = {"weight": torch.tensor([0.0, 2.0]), "count": torch.tensor(3)}
    new = {"weight": torch.tensor([1.0, 4.0]), "count": torch.tensor(7)}
    half = blended(old, new, 0.25)
    assert half["weight"].tolist() == [0.25, 2.5]
    assert half["count"] == 7
    assert torch.equal(blended(old, new, 0.0)["weight"], old["weight"])


class Bright(torch.nn.Module):
    """Marks what is brighter than a half."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image[:, :1] - 0.5


def packed(images: list[np.ndarray], masks: list[np.ndarray], case: list[int]) -> Packed:
    return Packed(np.stack(images)[:, None], np.stack(masks), np.array(case, np.int32))


def test_the_slices_of_a_volume_count_together_and_empty_cases_as_right() -> None:
    full, none = np.full((8, 8), 255, np.uint8), np.zeros((8, 8), np.uint8)
    left = np.zeros((8, 8), np.uint8)
    left[:, :4] = 1
    found = case_dice(
        Bright(), packed([full, none, none, full], [left, none, none, none], [0, 0, 1, 2]), torch.device("cpu")
    )
    assert found == {0: pytest.approx(2 / 3), 1: 1.0, 2: 0.0}


def test_labels_are_averaged_and_those_that_are_nowhere_left_out() -> None:
    class Classes(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            values = (image[:, 0] * 255).round().long()
            return torch.nn.functional.one_hot(values, 4).movedim(-1, 1).float()

    image = np.zeros((8, 8), np.uint8)
    image[:2], image[2:4] = 1, 2
    truth = image.copy()
    truth[2:4] = 0
    assert case_dice(Classes(), packed([image], [truth], [0]), torch.device("cpu")) == {0: pytest.approx(0.5)}


def test_with_earlier_sets_the_best_share_that_forgets_nothing() -> None:
    held_out = {0.0: 0.4, 0.25: 0.6, 0.5: 0.7, 0.75: 0.8, 1.0: 0.85}
    earlier = {share: {"a": 0.9 - 0.008 * share, "b": 0.8 - 0.012 * share} for share in held_out}
    assert choose_share(held_out, earlier) == 0.75  # at 1 the set b falls by 0.012
    ruined = {share: {"a": 0.9 - share} for share in held_out}
    assert choose_share(held_out, ruined) == 0.25


def test_without_earlier_sets_the_least_share_that_brings_most() -> None:
    assert choose_share({0.0: 0.4, 0.25: 0.5, 0.5: 0.79, 0.75: 0.8, 1.0: 0.8}, {}) == 0.5
    assert choose_share({0.0: 0.8, 0.25: 0.7, 0.5: 0.6, 0.75: 0.5, 1.0: 0.4}, {}) == 0.25


def test_a_model_is_better_only_if_it_rises_and_forgets_nothing() -> None:
    risen, kept = Figure(4, 0.5, 0.6), {"a": Figure(9, 0.9, 0.8901)}
    assert verdict(risen, kept) == []
    assert "did not rise (0.500 before, 0.500 after)" in verdict(Figure(4, 0.5, 0.5), kept)[0]
    assert verdict(Figure(4, 0.5, 0.504), kept)
    assert verdict(risen, {"a": Figure(9, 0.9, 0.889)}) == ["On a Dice fell from 0.900 to 0.889."]
