"""The stream of training samples.

They are numbered from 0, and each is the same whenever it is drawn, so that a run can go on anywhere.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from monai.data import set_track_meta
from monai.transforms import (
    Compose,
    RandAdjustContrastd,
    RandAffined,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandScaleIntensityd,
    RandShiftIntensityd,
)
from torch.utils.data import Dataset

if TYPE_CHECKING:
    from napari_medfreq.train.config import AugmentConfig
    from napari_medfreq.train.packing import Packed


class Samples(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Sample number n of a run: an image of the shuffled epoch ``n // N``, augmented with a seed of its own.

    Parameters
    ----------
    packed : Packed
        The images at hand.
    augment : AugmentConfig
        How they are changed.
    seed : int
        Seed of the run.
    """

    def __init__(self, packed: Packed, augment: AugmentConfig, seed: int) -> None:
        self.packed = packed
        self.seed = seed
        self.transform = augmentation(augment, packed.images.shape[-1])

    def __len__(self) -> int:
        return len(self.packed.images)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the image (C, size, size) in [0, 1] and the labels (size, size), int64."""
        # The tensors that MONAI tags with their history cost more than the work on them; a worker has its own switch.
        set_track_meta(False)
        epoch, position = divmod(number, len(self))
        index = int(_shuffled(len(self), self.seed, epoch)[position])
        sample = {
            "image": torch.from_numpy(self.packed.images[index].astype(np.float32) / 255),
            "mask": torch.from_numpy(self.packed.masks[index].astype(np.float32))[None],
        }
        self.transform.set_random_state(seed=(self.seed * 1_000_003 + number) % 2**32)
        changed: dict[str, Any] = self.transform(sample)
        return changed["image"].clamp(0, 1), changed["mask"][0].round().long()


@lru_cache(maxsize=4)
def _shuffled(length: int, seed: int, epoch: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.random.default_rng((seed, epoch)).permutation(length)


def augmentation(config: AugmentConfig, size: int) -> Compose:
    """Return MONAI's transforms for `config`, on ``image`` (C, H, W) and ``mask`` (1, H, W)."""
    both = ["image", "mask"]
    steps: list[Any] = []
    for wanted, axis in ((config.flip_vertical, 0), (config.flip_horizontal, 1)):
        if wanted:
            steps.append(RandFlipd(both, prob=0.5, spatial_axis=axis))
    if config.rotate or config.scale or config.shear or config.translate:
        steps.append(
            RandAffined(
                both,
                prob=0.9,
                rotate_range=np.radians(config.rotate),
                shear_range=(config.shear, config.shear),
                translate_range=(config.translate * size,) * 2,
                scale_range=(config.scale,) * 2,
                mode=("bilinear", "nearest"),
                padding_mode="zeros",
                spatial_size=(size, size),
                cache_grid=True,
            )
        )
    if config.gamma:
        steps.append(
            RandAdjustContrastd("image", prob=0.5, gamma=(1 - config.gamma, 1 + config.gamma / (1 - config.gamma)))
        )
    if config.gain:
        steps.append(RandScaleIntensityd("image", factors=config.gain, prob=0.5, channel_wise=True))
    if config.offset:
        steps.append(RandShiftIntensityd("image", offsets=config.offset, prob=0.5))
    if config.blur:
        sigma = (0.1, config.blur)
        steps.append(RandGaussianSmoothd("image", prob=0.1, sigma_x=sigma, sigma_y=sigma))
    if config.noise:
        steps.append(RandGaussianNoised("image", prob=0.2, std=config.noise))
    return Compose(steps)
