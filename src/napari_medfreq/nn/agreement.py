"""How well a mask is expected to lie on the truth that nobody has marked yet, from its own probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

_TINY = 1e-6


def soft_dice(
    labels: npt.NDArray[np.uint8], probability: npt.NDArray[Any], values: Sequence[int], temperature: float = 1.0
) -> dict[int, float | None]:
    """Return the Dice coefficient that calibrated probabilities let expect of each label's mask.

    With independent voxels of probability ``p`` the truth ``B`` has the expected size ``sum p`` and shares
    ``sum_A p`` with the mask ``A``, so ``E[2 |A & B| / (|A| + |B|)]`` is about ``2 sum_A p / (|A| + sum p)``: exact up
    to the variance of ``|B|``, which is small beside its square for anything of more than a few voxels.

    Parameters
    ----------
    labels : numpy.ndarray
        The mask.
    probability : numpy.ndarray, range [0, 1]
        Shape of `labels`, or with one leading entry a label; in the former case of any label.
    values : sequence of int
        The labels, in the order of `probability`.
    temperature : float
        The logits of `probability` are divided by it first. What suits each voxel best does not suit their sum best: a
        little too much everywhere in a large background is a large object.

    Returns
    -------
    dict
        Range [0, 1]; None for a label that was not found: of nothing, nothing can be expected.
    """
    many = probability.ndim > labels.ndim
    found: dict[int, float | None] = {}
    for index, value in enumerate(values):
        mask = labels == value if many or len(values) == 1 else labels > 0
        own = _tempered(probability[index] if many else probability, temperature)
        size = np.count_nonzero(mask)
        shared = float(np.sum(own, where=mask, dtype=np.float64))
        found[value] = 2 * shared / (size + float(np.sum(own, dtype=np.float64))) if size else None
    return found


def expected_dice(
    labels: npt.NDArray[np.uint8],
    probability: npt.NDArray[Any],
    values: Sequence[int],
    *,
    temperature: float = 1.0,
    offset: float = 0.0,
    slope: float = 1.0,
) -> float | None:
    """Return ``offset + slope * d``, within [0, 1], with ``d`` the mean over the labels found of `soft_dice`.

    Temperature, offset and slope are what was seen on validation cases. None where nothing was found.
    """
    soft = [value for value in soft_dice(labels, probability, values, temperature).values() if value is not None]
    return float(np.clip(offset + slope * np.mean(soft), 0.0, 1.0)) if soft else None


def _tempered(probability: npt.NDArray[Any], temperature: float) -> npt.NDArray[Any]:
    if temperature == 1.0:
        return probability
    p = probability.astype(np.float32).clip(_TINY, 1.0 - _TINY)
    result: npt.NDArray[np.float32] = 1.0 / (1.0 + ((1.0 - p) / p) ** np.float32(1.0 / temperature))
    return result
