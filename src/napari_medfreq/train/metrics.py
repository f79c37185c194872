"""Overlap of a mask with the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True)
class Overlap:
    """Figures of one image (or one label of a volume).

    Attributes
    ----------
    dice, iou : float
        ``2|A & B| / (|A| + |B|)`` and ``|A & B| / |A or B|``; 1 where both are empty.
    mae : float
        Mean of ``|probability - truth|``.
    """

    dice: float
    iou: float
    mae: float


def overlap(probability: npt.NDArray[Any], mask: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> Overlap:
    """Compare a mask and its probability, range [0, 1], with the truth; all of one shape."""
    both = int(np.count_nonzero(mask & truth))
    total = int(np.count_nonzero(mask)) + int(np.count_nonzero(truth))
    mae = float(np.abs(probability.astype(np.float32) - truth).mean())
    if total == 0:
        return Overlap(1.0, 1.0, mae)
    return Overlap(2 * both / total, both / (total - both), mae)
