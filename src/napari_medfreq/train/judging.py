"""Old and new weights side by side: on corrections kept out, and on the earlier sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_medfreq.train import runs
from napari_medfreq.train.blending import SHARES, Figure, blended, case_dice, choose_share

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

    from napari_medfreq.nn.mmsnet import MMSNet
    from napari_medfreq.train.packing import Packed


@dataclass(frozen=True)
class Material:
    """All that is learned from and measured with, at the model's size.

    Attributes
    ----------
    learn, held_out : Packed
        Corrections.
    rehearse : Packed or None
        Earlier data to go through again.
    validation, test : dict
        Earlier data kept out, by set.
    """

    learn: Packed
    held_out: Packed
    rehearse: Packed | None
    validation: Mapping[str, Packed]
    test: Mapping[str, Packed]


def images_of(packed: Packed | None) -> int:
    """Return from how many images the samples came."""
    return 0 if packed is None else len(np.unique(packed.case))


@dataclass(frozen=True)
class Judge:
    """Measures weights.

    Parameters
    ----------
    material : Material
        What to measure with.
    network : MMSNet
        What holds the weights that are being measured; nothing else may use it.
    device : torch.device
        Where it is.
    """

    material: Material
    network: MMSNet
    device: torch.device

    def all(self, weights: Mapping[str, torch.Tensor]) -> tuple[float, dict[str, float]]:
        """Return the Dice coefficients on held-out corrections and on the test cases of each earlier set."""
        return self._of(weights, self.material.held_out), self._of_sets(weights, self.material.test)

    def share(self, old: Mapping[str, torch.Tensor], new: Mapping[str, torch.Tensor], folder: Path) -> float:
        """Return the share of the new weights to keep; what it was chosen by goes to the events of the run `folder`."""
        held_out: dict[float, float] = {}
        earlier: dict[float, dict[str, float]] = {}
        for share in (0.0, *SHARES):
            weights = blended(old, new, share)
            held_out[share] = self._of(weights, self.material.held_out)
            if self.material.validation:
                earlier[share] = self._of_sets(weights, self.material.validation)
            runs.append_event(folder, "blend", share=share, held_out=held_out[share], earlier=earlier.get(share, {}))
        return choose_share(held_out, earlier)

    def figures(
        self, before: tuple[float, dict[str, float]], after: tuple[float, dict[str, float]]
    ) -> tuple[Figure, dict[str, Figure]]:
        """Return what `all` said before and after, side by side."""
        test = self.material.test
        sets = {name: Figure(images_of(test[name]), dice, after[1][name]) for name, dice in before[1].items()}
        return Figure(images_of(self.material.held_out), before[0], after[0]), sets

    def _of_sets(self, weights: Mapping[str, torch.Tensor], sets: Mapping[str, Packed]) -> dict[str, float]:
        return {name: self._of(weights, packed) for name, packed in sets.items()}

    def _of(self, weights: Mapping[str, torch.Tensor], packed: Packed) -> float:
        self.network.load_state_dict(weights)
        return float(np.mean(list(case_dice(self.network, packed, self.device).values())))
