from __future__ import annotations

import pytest
import torch

from napari_medfreq.nn.mmsnet import MMSNet, MMSNetConfig, Supervision
from napari_medfreq.train.losses import boundary_target, region_loss, supervision_loss


def disc(size: int = 64) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    distance = (rows - size / 2) ** 2 + (columns - size / 2) ** 2
    labels = (distance < (size / 3) ** 2).long() + (distance < (size / 6) ** 2).long()
    return labels[None].repeat(2, 1, 1)


def perfect(labels: torch.Tensor, classes: int) -> torch.Tensor:
    if classes == 1:
        return 40.0 * (labels > 0).float()[:, None] - 20.0
    return 40.0 * torch.nn.functional.one_hot(labels, classes).permute(0, 3, 1, 2).float()


@pytest.mark.parametrize("classes", [1, 3])
def test_the_truth_costs_nothing_and_its_opposite_much(classes: int) -> None:
    logits = perfect(disc(), classes)
    assert float(region_loss(logits, disc())) < 1e-3
    assert float(region_loss(-logits, disc())) > 10
    assert 0.5 < float(region_loss(torch.zeros_like(logits), disc())) < 2.5


def test_an_empty_truth_is_met_by_an_empty_answer() -> None:
    empty = torch.zeros(2, 32, 32, dtype=torch.long)
    assert float(region_loss(3 * perfect(empty, 1), empty)) < 1e-3
    assert float(region_loss(-perfect(empty, 1), empty)) > 10


def test_the_boundary_is_where_labels_change() -> None:
    labels = torch.zeros(1, 6, 6, dtype=torch.long)
    labels[:, :, 3:] = 1
    labels[:, :, 5:] = 2
    assert boundary_target(labels)[0, 0, 2].tolist() == [0, 0, 1, 1, 1, 1]
    assert not boundary_target(torch.ones(1, 6, 6, dtype=torch.long)).any()


def supervision(labels: torch.Tensor, classes: int, sign: float) -> Supervision:
    regions, boundaries = [], []
    for step in (4, 8, 16, 32):
        small = labels[:, ::step, ::step]
        regions.append(sign * perfect(small, classes))
        near = torch.nn.functional.max_pool2d(boundary_target(labels), step)
        boundaries.append(sign * (40 * near - 20))
    return Supervision(regions, boundaries)


@pytest.mark.parametrize("classes", [1, 3])
def test_all_levels_count(classes: int) -> None:
    labels = disc(128)
    good = float(supervision_loss(supervision(labels, classes, 1.0), labels))
    assert good < float(supervision_loss(supervision(labels, classes, -1.0), labels)) / 4
    for level in range(4):
        worse = supervision(labels, classes, 1.0)
        worse.regions[level] = -worse.regions[level]
        assert float(supervision_loss(worse, labels)) > good + 0.5
        worse = supervision(labels, classes, 1.0)
        worse.boundaries[level] = -worse.boundaries[level]
        assert float(supervision_loss(worse, labels)) > good + 0.1


def test_a_missed_boundary_costs_more_than_a_wrong_one() -> None:
    labels = disc(64)
    nothing = Supervision([torch.zeros(2, 1, 16, 16)], [torch.full((2, 1, 16, 16), -4.0)])
    everything = Supervision([torch.zeros(2, 1, 16, 16)], [torch.full((2, 1, 16, 16), 4.0)])
    share = float(torch.nn.functional.max_pool2d(boundary_target(labels), 4).mean())
    assert share < 0.5
    difference = float(supervision_loss(nothing, labels) - supervision_loss(everything, labels))
    assert difference == pytest.approx(0.0, abs=1e-3)  # what is rare weighs as much as what is frequent


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("size", [64, 50])
def test_every_head_gets_a_gradient(classes: int, size: int) -> None:
    network = MMSNet(MMSNetConfig(classes=classes, width=16, adapter_ratio=None, prompt=None, scales=0))
    supervision_loss(network.supervise(torch.rand(2, 3, size, size)), disc(size)).backward()
    for head in (network.classify, *network.deep_regions, *network.boundaries):
        assert isinstance(head, torch.nn.Conv2d)
        assert head.weight.grad is not None
        assert float(head.weight.grad.abs().sum()) > 0


def test_a_network_without_boundary_heads_is_trained_on_its_regions() -> None:
    labels = disc()
    alone = Supervision([perfect(labels, 1)], [])
    assert float(supervision_loss(alone, labels)) == pytest.approx(float(region_loss(perfect(labels, 1), labels)))
