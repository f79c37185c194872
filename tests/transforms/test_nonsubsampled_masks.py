from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_medfreq.transforms.nonsubsampled_masks import Bank, gain_mask, mask_pairs, masks, powers

LIKE = torch.zeros((), dtype=torch.float64)


@pytest.mark.parametrize("size", [(8, 8), (9, 16), (32, 27)])
@pytest.mark.parametrize("levels", [(3,), (0, 1, 2), (2, 3, 4)])
def test_all_power_at_each_frequency_is_shared_out(size: tuple[int, int], levels: tuple[int, ...]) -> None:
    bank = Bank(levels, "9-7", "pkva")
    shares = list(powers(bank, size))
    assert len(shares) == sum(bank.counts)
    assert shares[0].shape == (size[0], size[1] // 2 + 1)
    assert np.abs(sum(shares) - 1).max() < 1e-14
    assert min(share.min() for share in shares) > -1e-12


@pytest.mark.parametrize("size", [(8, 8), (9, 16), (16, 9), (11, 13)])
def test_masks_are_even_so_that_bands_are_real(size: tuple[int, int]) -> None:
    pairs, _ = masks(Bank((2, 3), "meyer", "meyer"), size, LIKE)
    opposite = pairs.flip(-2, -1).roll((1, 1), (-2, -1))
    assert torch.equal(pairs, opposite)


def test_masks_have_unit_mean_square_and_weights_say_what_they_lack() -> None:
    pairs, weights = masks(Bank((2, 0), "5-3", "pkva"), (20, 33), LIKE)
    assert pairs.shape == (1 + 2 + 1, 20, 33)
    squares = [float(part.square().mean()) for pair in pairs for part in (pair.real, pair.imag)]
    assert squares == pytest.approx([1, 0, 1, 1, 1, 1, 1, 0])
    assert float(weights.sum()) == pytest.approx(1)


def test_made_one_by_one_they_are_the_same() -> None:
    bank = Bank((0, 3), "haar", "haar")
    pairs, weights = masks(bank, (12, 10), LIKE)
    single = list(mask_pairs(bank, (12, 10), LIKE))
    assert torch.equal(torch.stack([pair for pair, _ in single]), pairs)
    assert torch.equal(torch.cat([weight for _, weight in single]), weights)
    assert masks(bank, (12, 10), LIKE).pairs is pairs


def test_gains_of_one_leave_everything_and_of_zero_nothing() -> None:
    bank = Bank((2, 3), "meyer", "pkva")
    count = sum(bank.counts)
    assert torch.equal(gain_mask(bank, (16, 15), LIKE, [1.0] * count), torch.ones(16, 8, dtype=torch.float64))
    assert float(gain_mask(bank, (16, 15), LIKE, [0.0] * count).abs().max()) < 1e-14
