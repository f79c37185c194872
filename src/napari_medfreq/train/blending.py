"""Between an old and a new model: averages of their weights, and which of them to keep.

The weights of a fine-tuned network and those that it came from can be averaged (WiSE-FT: Wortsman et al., *Robust
fine-tuning of zero-shot models*, CVPR 2022): ``w = (1 - a) w_old + a w_new``. With a growing share ``a`` they do better
on what is new and, sooner or later, worse on what is old.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from napari_medfreq.train.packing import Packed

SHARES = (0.25, 0.5, 0.75, 1.0)
FALL = 0.01
"""A set on which Dice falls by this much counts as forgotten."""
RISE = 0.005
"""Rounding alone moves Dice by some thousandths; less than this is no rise."""
_ENOUGH = 0.9
_BATCH = 16


@dataclass(frozen=True)
class Figure:
    """Mean Dice coefficient of the same images before and after."""

    n: int
    before: float
    after: float

    @property
    def gain(self) -> float:
        """After less before."""
        return self.after - self.before


def blended(old: Mapping[str, Tensor], new: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Return ``(1 - share) old + share new``, what is no number with a fraction as in `new`."""
    return {
        name: torch.lerp(tensor.float(), new[name].float(), share) if tensor.is_floating_point() else new[name]
        for name, tensor in old.items()
    }


@torch.inference_mode()
def case_dice(network: torch.nn.Module, packed: Packed, device: torch.device) -> dict[int, float]:
    """Return the Dice coefficient of each case, mean over its labels, on the model's grid.

    All slices of a volume count together; a label that neither mask nor truth holds is left out, and a case without
    any has 1.

    Parameters
    ----------
    network : torch.nn.Module
        Returns logits; one logit is a sigmoid, several are classes with the background first.
    packed : Packed
        What to segment; masks hold classes.
    device : torch.device
        Where the network is.
    """
    network.eval()
    both: dict[int, np.ndarray] = {}
    for start in range(0, len(packed.images), _BATCH):
        batch = torch.from_numpy(packed.images[start : start + _BATCH].astype(np.float32) / 255).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            logits = network(batch.contiguous(memory_format=torch.channels_last)).float()
        labels = max(logits.shape[1] - 1, 1)
        found = (logits[:, 0] > 0).long() if logits.shape[1] == 1 else logits.argmax(1)
        for offset, mask in enumerate(found.cpu().numpy()):
            truth = packed.masks[start + offset]
            truth = (truth > 0).astype(np.uint8) if labels == 1 else truth
            counts = both.setdefault(int(packed.case[start + offset]), np.zeros((2, labels)))
            for value in range(1, labels + 1):
                one, other = mask == value, truth == value
                counts[:, value - 1] += np.count_nonzero(one & other), np.count_nonzero(one) + np.count_nonzero(other)
    return {case: _dice(*counts) for case, counts in both.items()}


def _dice(both: np.ndarray, total: np.ndarray) -> float:
    there = total > 0
    return float(np.mean(2 * both[there] / total[there])) if there.any() else 1.0


def choose_share(held_out: Mapping[float, float], earlier: Mapping[float, Mapping[str, float]]) -> float:
    """Return the share of the new weights to keep.

    Parameters
    ----------
    held_out : dict
        Dice on the held-out corrections for each share; 0 is the old model.
    earlier : dict
        For each share Dice by set on validation cases of the earlier sets; empty where none are at hand.

    Returns
    -------
    float
        With earlier cases: of the shares at which none of their sets falls by `FALL`, the best on the corrections.
        Without them nothing shows what is forgotten, so the least share that brings nine tenths of the greatest gain.
    """
    shares = sorted(share for share in held_out if share > 0)
    if earlier:
        before = earlier[0.0]
        kept = [s for s in shares if all(before[name] - dice < FALL for name, dice in earlier[s].items())]
        return max(kept, key=lambda share: held_out[share]) if kept else shares[0]
    greatest = max(held_out[share] for share in shares) - held_out[0.0]
    if greatest <= 0:
        return max(shares, key=lambda share: held_out[share])
    return next(share for share in shares if held_out[share] - held_out[0.0] >= _ENOUGH * greatest)


def verdict(held_out: Figure, earlier: Mapping[str, Figure]) -> list[str]:
    """Return why the new model is not better, in sentences; empty if it is."""
    reasons = []
    if held_out.gain < RISE:
        reasons.append(
            f"On corrections that it did not learn from, Dice did not rise ({held_out.before:.3f} before, "
            f"{held_out.after:.3f} after)."
        )
    reasons += [
        f"On {name} Dice fell from {figure.before:.3f} to {figure.after:.3f}."
        for name, figure in earlier.items()
        if figure.gain <= -FALL
    ]
    return reasons
