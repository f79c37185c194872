from __future__ import annotations

import numpy as np
import torch

from napari_medfreq.nn.aegan import AEGANConfig, Synthesis
from napari_medfreq.train.synthesis.baselines import UNetSynthesis, fit
from napari_medfreq.train.synthesis.persons import Study

NAMES = ("a", "b", "c")


def study(seed: int, noise: float = 0.0) -> Study:
    random = np.random.default_rng(seed)
    head = np.zeros((4, 20, 20), bool)
    head[:, 2:-2, 2:-2] = True
    a, b = random.uniform(0.1, 0.9, (2, *head.shape))
    c = 0.5 * a + 0.3 * b + 0.1 + noise * random.normal(size=head.shape)
    stacks = np.stack([a, b, c]) * head
    return Study(str(seed), stacks.astype(np.float16), head)


def test_the_regression_finds_what_is_linear() -> None:
    found = fit([study(0), study(1)], NAMES)
    np.testing.assert_allclose(found.weights[2], [0.5, 0.3], atol=5e-3)  # of c: a, b
    np.testing.assert_allclose(found.offsets[2], 0.1, atol=5e-3)
    unseen = study(2)
    made = found.linear(unseen.stacks[[0, 1]], unseen.head, 2)
    np.testing.assert_allclose(made, unseen.stacks[2], atol=5e-3)
    assert not made[~unseen.head].any()


def test_a_network_starts_as_this_regression() -> None:
    found, unseen = fit([study(0)], NAMES), study(1)
    network = Synthesis(AEGANConfig(contrasts=NAMES, width=4, blocks=1, shortcut=True)).eval()
    network.start_from(*found.in_signed_units())
    inputs = torch.from_numpy(unseen.stacks[[2, 0], 0].astype(np.float32))[None, :, None] * 2 - 1
    made = network(inputs, torch.tensor([1]))[0, 0].add(1).div(2).detach().numpy()
    expected = found.linear(unseen.stacks[[2, 0], 0], unseen.head[0], 1)
    inside = unseen.head[0] & (expected > 0) & (expected < 1)
    np.testing.assert_allclose(made[inside], expected[inside], atol=1e-3)


def test_the_matched_mean_has_the_histogram_of_the_target() -> None:
    found, unseen = fit([study(0, 0.02)], NAMES), study(1)
    one = unseen.stacks[:1]
    made = found.matched_mean(one, unseen.head, 2)[unseen.head]
    truth = study(0, 0.02).stacks[2].astype(np.float32)[unseen.head]
    levels = [1, 25, 50, 75, 99]
    np.testing.assert_allclose(np.percentile(made, levels), np.percentile(truth, levels), atol=0.01)
    assert np.corrcoef(np.argsort(np.argsort(made)), np.argsort(np.argsort(one[0][unseen.head])))[0, 1] > 0.99


def test_the_unet_takes_any_size_and_knows_its_target() -> None:
    network = UNetSynthesis(AEGANConfig(contrasts=NAMES, slices=3)).eval()
    inputs = torch.rand(1, 2, 3, 21, 34)
    images = [network(inputs, torch.tensor([target])) for target in range(3)]
    assert images[0].shape == (1, 1, 21, 34)
    assert not torch.allclose(images[0], images[1])
