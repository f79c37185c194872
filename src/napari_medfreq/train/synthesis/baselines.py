"""What a synthesis network must beat: the mean of the inputs, a linear regression, and a U-Net.

All are fitted on the persons that teach the network, and see the same scaled intensities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_medfreq.nn.aegan_contrasts import inputs_for
from napari_medfreq.nn.aegan_inputs import only_head

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_medfreq.nn.aegan import AEGANConfig
    from napari_medfreq.train.synthesis.persons import Study

_QUANTILES = np.linspace(0, 1, 257)


@dataclass(frozen=True)
class Baselines:
    """The two baselines that need no training.

    Attributes
    ----------
    weights : numpy.ndarray, shape (n, n - 1), float32
        Linear regression per voxel: of each target's inputs, in the order of the branches.
    offsets : numpy.ndarray, shape (n,), float32
        Of each target; intensities are in [0, 1].
    quantiles : numpy.ndarray, shape (n, 257), float32
        Of each contrast within the head, averaged over the persons.
    """

    weights: npt.NDArray[np.float32]
    offsets: npt.NDArray[np.float32]
    quantiles: npt.NDArray[np.float32]

    def linear(
        self, inputs: npt.NDArray[np.floating], head: npt.NDArray[np.bool_], target: int
    ) -> npt.NDArray[np.float32]:
        """Return the regression (Z, H, W) of `inputs` (n - 1, Z, H, W), range [0, 1], 0 outside of the head."""
        made = np.tensordot(self.weights[target], inputs.astype(np.float32), 1) + self.offsets[target]
        return np.where(head, np.clip(made, 0, 1), 0).astype(np.float32)

    def matched_mean(
        self, inputs: npt.NDArray[np.floating], head: npt.NDArray[np.bool_], target: int
    ) -> npt.NDArray[np.float32]:
        """Return the mean of `inputs`, each given the histogram that the target has within the heads of the persons."""
        total = np.zeros(head.shape, np.float32)
        for image in inputs:
            inside = image[head].astype(np.float32)
            # The midpoint of ties: many voxels share an intensity.
            ordered = np.sort(inside)
            rank = np.searchsorted(ordered, inside, "left") + np.searchsorted(ordered, inside, "right")
            total[head] += np.interp(rank / max(2 * len(inside), 1), _QUANTILES, self.quantiles[target])
        return total / np.float32(len(inputs))

    def in_signed_units(self) -> tuple[Tensor, Tensor]:
        """Return weights and offsets for intensities in [-1, 1], as the networks see them."""
        return torch.from_numpy(self.weights), torch.from_numpy(self.weights.sum(1) + 2 * self.offsets - 1)


def fit(studies: Sequence[Study], contrasts: tuple[str, ...]) -> Baselines:
    """Fit the baselines on the voxels of the head; each person counts the same.

    Parameters
    ----------
    studies : sequence of Study
        Of the persons that teach.
    contrasts : tuple of str
        As in `Study.stacks`.
    """
    count = len(contrasts)
    moments = np.zeros((count + 1, count + 1))
    quantiles = np.zeros((count, len(_QUANTILES)))
    for study in studies:
        inside = study.stacks[:, study.head].astype(np.float64)
        rows = np.vstack([inside, np.ones(inside.shape[1])])
        moments += rows @ rows.T / rows.shape[1]
        quantiles += np.quantile(inside, _QUANTILES, axis=1).T / len(studies)
    weights, offsets = np.zeros((count, count - 1)), np.zeros(count)
    for target, name in enumerate(contrasts):
        order = [contrasts.index(other) for other in inputs_for(contrasts, name)]
        known = [*order, count]
        solution = np.linalg.lstsq(moments[np.ix_(known, known)], moments[known, target], rcond=None)[0]
        weights[target], offsets[target] = solution[:-1], solution[-1]
    return Baselines(weights.astype(np.float32), offsets.astype(np.float32), quantiles.astype(np.float32))


class UNetSynthesis(nn.Module):
    """MONAI's residual U-Net (16 to 256 channels) behind the interface of `napari_medfreq.nn.aegan.Synthesis`.

    It sees the planes of all inputs and a constant plane for each contrast, 1 for the target; batch norm, so that these
    planes reach what follows, and a last convolution without activation.
    """

    def __init__(self, config: AEGANConfig) -> None:
        super().__init__()
        from monai.networks.nets.unet import UNet

        self.config = config
        self.network = UNet(
            spatial_dims=2,
            in_channels=config.branches * config.slices + len(config.contrasts),
            out_channels=1,
            channels=(16, 32, 64, 128, 256),
            strides=(2, 2, 2, 2),
            num_res_units=2,
            norm="batch",
        )

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Return (N, 1, H, W) for inputs (N, n - 1, slices, H, W) and targets (N,)."""
        height, width = inputs.shape[-2:]
        mask = self.config.mask_vector(targets)[:, :, None, None].expand(-1, -1, height, width)
        seen = torch.cat([inputs.flatten(1, 2), mask], 1)
        padded = functional.pad(seen, (0, -width % 16, 0, -height % 16), mode="replicate")
        return only_head(self.network(padded)[..., :height, :width].float(), inputs)
