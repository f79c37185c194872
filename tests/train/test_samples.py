from __future__ import annotations

import pickle
from dataclasses import fields

import numpy as np
import pytest
import torch
from monai.data import set_track_meta

from napari_medfreq.train.config import AugmentConfig
from napari_medfreq.train.packing import Packed
from napari_medfreq.train.samples import Samples

NOTHING = AugmentConfig(**{f.name: False if f.type == "bool" else 0.0 for f in fields(AugmentConfig)})  # type: ignore[arg-type]


def packed(count: int = 5, size: int = 32) -> Packed:
    rng = np.random.default_rng(0)
    masks = np.zeros((count, size, size), np.uint8)
    masks[:, 8:20, 10:26] = 2
    images = (rng.uniform(0, 60, (count, 3, size, size)) + 90 * masks[:, None]).astype(np.uint8)
    return Packed(images, masks, np.arange(count, dtype=np.int32))


def same(one: tuple[torch.Tensor, torch.Tensor], other: tuple[torch.Tensor, torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_sample_is_the_same_whenever_it_is_drawn() -> None:
    whole, again = Samples(packed(), AugmentConfig(), 1), Samples(packed(), AugmentConfig(), 1)
    drawn = [whole[number] for number in range(12)]
    for number in (11, 3, 7, 0, 3):
        assert same(again[number], drawn[number])
    assert not same(Samples(packed(), AugmentConfig(), 2)[3], drawn[3])
    assert not same(drawn[0], drawn[5])


def test_samples_do_not_touch_the_generators_of_the_process() -> None:
    samples, before = Samples(packed(), AugmentConfig(), 1), torch.get_rng_state()
    samples[3]
    assert torch.equal(torch.get_rng_state(), before)


def test_another_process_draws_the_same() -> None:
    samples = Samples(packed(), AugmentConfig(), 1)
    drawn = samples[7]
    arrived = pickle.loads(pickle.dumps(samples))  # what a worker is given
    set_track_meta(True)  # as MONAI has it in a new process
    image, labels = arrived[7]
    assert same((image, labels), drawn)
    assert type(image) is type(labels) is torch.Tensor


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own() -> None:
    samples = Samples(packed(7), NOTHING, 1)
    images = torch.from_numpy(packed(7).images).float() / 255
    orders = [
        [next(i for i in range(7) if torch.equal(images[i], samples[7 * epoch + n][0])) for n in range(7)]
        for epoch in range(3)
    ]
    assert all(sorted(order) == list(range(7)) for order in orders)
    assert orders[0] != orders[1] != orders[2]


def test_without_augmentation_the_sample_is_the_image() -> None:
    image, labels = Samples(packed(1), NOTHING, 1)[4]
    assert torch.equal(image, torch.from_numpy(packed(1).images[0]).float() / 255)
    assert torch.equal(labels, torch.from_numpy(packed(1).masks[0]).long())


@pytest.mark.parametrize("part", [f.name for f in fields(AugmentConfig)])
def test_each_part_of_the_augmentation_does_something(part: str) -> None:
    value = getattr(AugmentConfig(), part) or True
    samples = Samples(packed(1), AugmentConfig(**{**vars(NOTHING), part: value}), 1)
    image, labels = (torch.from_numpy(a[0]) for a in (packed(1).images, packed(1).masks))
    drawn = [samples[number] for number in range(30)]
    assert any(not torch.equal(one, image.float() / 255) for one, _ in drawn)
    moved = any(not torch.equal(found, labels.long()) for _, found in drawn)
    assert moved == (part in {"rotate", "scale", "shear", "translate", "flip_horizontal", "flip_vertical"})


def test_image_and_labels_are_changed_alike_and_stay_in_range() -> None:
    samples = Samples(packed(), AugmentConfig(flip_vertical=True, gamma=0, gain=0, offset=0, noise=0, blur=0), 1)
    for number in range(20):
        image, labels = samples[number]
        assert image.dtype == torch.float32
        assert labels.dtype == torch.int64
        assert image.shape == (3, 32, 32)
        assert float(image.min()) >= 0.0
        assert float(image.max()) <= 1.0
        assert set(labels.unique().tolist()) <= {0, 2}
        bright = image.mean(dim=0) > 0.5
        assert float((bright == (labels == 2)).float().mean()) > 0.93


@pytest.mark.parametrize("part", ["translate", "scale"])
def test_both_axes_are_moved_and_scaled(part: str) -> None:
    samples = Samples(packed(1), AugmentConfig(**{**vars(NOTHING), part: 0.3}), 1)
    labels = torch.from_numpy(packed(1).masks[0]) > 0
    drawn = [samples[number][1] > 0 for number in range(20)]
    for axis in (0, 1):
        before = labels.any(dim=1 - axis)
        assert any(not torch.equal(found.any(dim=1 - axis), before) for found in drawn)
