"""How unsure the passes are: a running estimate of their mean and of one measure of their spread.

With ``p_t`` the class probabilities of pass ``t`` (weights ``w_t``, sum 1), ``m = sum_t w_t p_t`` their mean and ``H``
the entropy:

    entropy             H(m)                          all of it
    expected-entropy    sum_t w_t H(p_t)              what every pass is unsure of: the image itself
    mutual-information  H(m) - sum_t w_t H(p_t)       what the passes disagree about: the model (BALD)
    variance            sum_k sum_t w_t (p_tk - m_k)^2

Each is divided by its maximum, ``log K`` or ``1 - 1 / K``, so that all lie in [0, 1].
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from napari_medfreq.engine.options import Measure
    from napari_medfreq.io.model_config import Calibration

_TINY = 1e-6


def probabilities(logits: Tensor) -> Tensor:
    """Return float32 probabilities for `logits` (..., K, h, w): sigmoid for one class, else softmax."""
    logits = logits.float()
    return logits.sigmoid() if logits.shape[-3] == 1 else logits.softmax(dim=-3)


def to_logits(mean: Tensor) -> Tensor:
    """Return logits whose `probabilities` are `mean`, so that they can be interpolated as a network's logits are."""
    mean = mean.clamp(_TINY, 1 - _TINY)
    return torch.logit(mean) if mean.shape[-3] == 1 else mean.log()


def calibrated(mean: Tensor, calibration: Calibration) -> Tensor:
    """Return probabilities (N, K, h, w) of the logits of `mean`, those of each slice divided by its temperature.

    Neither what is most probable nor on which side of a half a single class lies changes by it.
    """
    marked = mean >= 0.5 if mean.shape[1] == 1 else mean.argmax(dim=1, keepdim=True) > 0
    shares = marked.float().mean(dim=(1, 2, 3)).tolist()
    temperatures = mean.new_tensor([calibration.temperature_for(share) for share in shares])
    return probabilities(to_logits(mean) / temperatures[:, None, None, None])


def entropy(mean: Tensor) -> Tensor:
    """Return the entropy of probabilities (..., K, H, W) over its maximum: (..., H, W), range [0, 1]."""
    if mean.shape[-3] == 1:
        mean = torch.cat([mean, 1 - mean], dim=-3)
    total: Tensor = torch.special.entr(mean).sum(dim=-3)
    return total.div_(math.log(mean.shape[-3])).clamp_(0, 1)


class Estimate:
    """Running sums over the passes: memory for one pass, however many there are.

    Parameters
    ----------
    measure : str
        Which measure is asked for; only its sums are kept.
    """

    def __init__(self, measure: Measure) -> None:
        self._measure = measure
        self._weight = 0.0
        self._sums: dict[str, Tensor] = {}

    def add(self, passes: Tensor, weight: float = 1.0) -> None:
        """Take in the probabilities of some passes, shape (T, N, K, h, w), each with the same `weight`."""
        self._weight += weight * len(passes)
        self._sum("mean", passes, weight)
        if self._measure in ("expected-entropy", "mutual-information"):
            self._sum("entropy", entropy(passes), weight)
        elif self._measure == "variance":
            self._sum("square", passes.square(), weight)

    def result(self) -> Tensor:
        """Return mean probabilities and, but for ``entropy``, the measure as one more channel: (N, K [+ 1], h, w).

        The predictive entropy follows from the mean at any resolution, so it is left to who enlarges the mean.
        """
        mean = self._sums["mean"] / self._weight
        spread = self._spread(mean)
        return mean if spread is None else torch.cat([mean, spread.clamp_(0, 1)[:, None]], dim=1)

    def _spread(self, mean: Tensor) -> Tensor | None:
        if self._measure == "expected-entropy":
            return self._sums["entropy"] / self._weight
        if self._measure == "mutual-information":
            return entropy(mean) - self._sums["entropy"] / self._weight
        if self._measure == "variance":
            total = (self._sums["square"] / self._weight - mean.square()).sum(dim=1)
            # One sigmoid stands for two classes, p and 1 - p, of the same variance.
            return total * 4 if mean.shape[1] == 1 else total / (1 - 1 / mean.shape[1])
        return None

    def _sum(self, name: str, values: Tensor, weight: float) -> None:
        total = values.sum(dim=0) * weight
        self._sums[name] = self._sums[name].add_(total) if name in self._sums else total
