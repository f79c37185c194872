"""What a synthesis network is shown in training: crops of planes, each changed at random, each repeatable."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import Dataset

from napari_medfreq.nn.aegan_contrasts import inputs_for
from napari_medfreq.nn.inputs import neighbour_indices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_medfreq.train.synthesis.config import VariationConfig
    from napari_medfreq.train.synthesis.persons import Study

_LEAST_HEAD = 0.02  # of a plane: below it there is nothing to learn


class SynthesisSamples(Dataset[tuple["Tensor", "Tensor", "Tensor"]]):
    """Sample ``i`` depends on the seed and on ``i`` alone; its target is the contrast ``i modulo n``.

    So the rotations of AE-GAN take turns, and the baseline that sees the same indices sees the same samples.

    Parameters
    ----------
    studies : sequence of Study
        Of the persons that teach.
    contrasts : tuple of str
        The contrasts, as in `Study.stacks`.
    slices : int
        Planes of each input that are seen together.
    size : int
        Side of the crops.
    variation : VariationConfig
        How they are changed.
    seed : int
        Of the run.
    """

    def __init__(
        self,
        studies: Sequence[Study],
        contrasts: tuple[str, ...],
        slices: int,
        size: int,
        variation: VariationConfig,
        seed: int,
    ) -> None:
        self.studies, self.slices, self.size, self.variation, self.seed = studies, slices, size, variation, seed
        self.orders = [[contrasts.index(name) for name in inputs_for(contrasts, target)] for target in contrasts]
        shares = [study.head.mean((1, 2)) for study in studies]
        self.planes = [(s, z) for s, share in enumerate(shares) for z in np.flatnonzero(share > _LEAST_HEAD).tolist()]

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return inputs (n - 1, slices, size, size) and target (1, size, size), range [-1, 1], and which it is."""
        random = np.random.default_rng((self.seed, index))
        target = index % len(self.orders)
        number, plane = self.planes[random.integers(len(self.planes))]
        study = self.studies[number]
        around = neighbour_indices(np.array([plane], dtype=np.intp), self.slices, study.stacks.shape[1])[0]
        order = self.orders[target]
        seen = np.concatenate([study.stacks[order][:, around].reshape(-1, *study.head.shape[1:]),
                               study.stacks[target, plane][None]])  # fmt: skip
        crop = self._crop(torch.from_numpy(seen.astype(np.float32)), study.head[plane], random)
        inputs = crop[:-1].view(len(order), self.slices, self.size, self.size)
        varied = self._vary(inputs, random)
        return varied * 2 - 1, torch.tensor(target), crop[-1:] * 2 - 1

    def _crop(self, images: Tensor, head: np.ndarray, random: np.random.Generator) -> Tensor:
        """Return crops (C, size, size) around a pixel of the head, turned, scaled and mirrored; air outside."""
        height, width = head.shape
        rows, columns = np.nonzero(head)
        pick = int(random.integers(len(rows)))
        change = self.variation
        # Half of the samples stay on the pixels: interpolation blurs, and a network that saw nothing else would, too.
        turned = float(random.random() < 0.5)
        angle = turned * math.radians(random.uniform(-change.rotate, change.rotate))
        zoom = 1 + turned * random.uniform(-change.scale, change.scale)
        flip = -1.0 if change.flip and random.random() < 0.5 else 1.0
        across, down = (
            _within(int(at), side, self.size * zoom) for at, side in ((columns[pick], width), (rows[pick], height))
        )
        cos, sin = math.cos(angle) * zoom * self.size, math.sin(angle) * zoom * self.size
        theta = torch.tensor(
            [
                [flip * cos / width, -sin / width, 2 * across / width - 1],
                [flip * sin / height, cos / height, 2 * down / height - 1],
            ]
        )
        shape = [1, len(images), self.size, self.size]
        grid = functional.affine_grid(theta[None], shape, align_corners=False)
        return functional.grid_sample(images[None], grid, align_corners=False)[0]

    def _vary(self, inputs: Tensor, random: np.random.Generator) -> Tensor:
        """Return `inputs`, range [0, 1], each contrast with a gamma and a gain of its own."""
        shape = (len(inputs), 1, 1, 1)
        gamma = torch.from_numpy(np.exp(random.uniform(-1, 1, shape) * self.variation.gamma)).float()
        gain = torch.from_numpy(1 + random.uniform(-1, 1, shape) * self.variation.gain).float()
        return (inputs.clamp(0, 1).pow(gamma) * gain).clamp(0, 1)


def _within(at: int, side: int, size: float) -> int:
    """Return the edge between pixels nearest to `at` around which `size` pixels do not leave the plane of `side`.

    Its middle if they must. Crops of an even size around an edge lie on the pixels.
    """
    half = math.ceil(size / 2)
    return side // 2 if side <= 2 * half else min(max(at, half), side - half)
