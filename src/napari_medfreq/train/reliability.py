"""Whether probabilities and uncertainty can be trusted: calibration error, and how well errors are pointed at.

With ``c_b`` the mean confidence and ``a_b`` the share of right voxels of the ``n_b`` voxels in bin ``b`` of confidence,

    ECE = sum_b n_b / n |a_b - c_b|

Background, of which there is most and which is easy, flatters every figure of whole images, so calibration is stated
near the boundary and image by image as well. With ``E`` the wrong voxels and ``U`` the uncertain ones:

    overlap = 2 |U & E| / (|U| + |E|)
    error AUROC: the probability that a wrong voxel is more uncertain than a right one
    retention: the Dice coefficient when the most uncertain voxels are put right, averaged over their share, 0 to 1
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.integrate import trapezoid
from scipy.ndimage import binary_dilation, binary_erosion

if TYPE_CHECKING:
    import numpy.typing as npt

BINS = 15
_HALVES = 0x3C00 + 1  # how many values float16 has from 0 to 1: each is a bin, so that ranking by them is exact
_TINY = 1e-6  # as in the engine
_LOST = 2.0**-14  # float16, in which probabilities are kept, tells 1 from 1 - 2^-12: what may be left where it says 1
_BAND = 0.02  # of the diagonal


class Voxels(NamedTuple):
    """What was found in an image and what is true; arrays of one shape but for `probability`."""

    probability: npt.NDArray[Any]
    """Of each label, shape (K, ...); the background has the rest."""
    found: npt.NDArray[np.intp]
    """Classes: 0 for the background, 1 to K."""
    truth: npt.NDArray[np.intp]
    """Classes."""
    uncertainty: npt.NDArray[Any]
    """Range [0, 1]."""

    @property
    def share(self) -> float:
        """The share of the voxels that were marked."""
        return float(np.mean(self.found > 0))


def classes(values: npt.NDArray[Any], labels: tuple[int, ...]) -> npt.NDArray[np.intp]:
    """Return label values as classes, 0 for anything that is no label."""
    result = np.zeros(values.shape, np.intp)
    for index, label in enumerate(labels):
        result[values == label] = index + 1
    return result


def tempered(probability: npt.NDArray[Any], temperature: float) -> npt.NDArray[np.float32]:
    """Return the probabilities of all classes, the background first, their logits divided by `temperature`.

    Parameters
    ----------
    probability : numpy.ndarray, shape (K, ...)
        Of the labels.
    temperature : float
        1 leaves them as they are.

    Returns
    -------
    numpy.ndarray, shape (K + 1, ...), float32
    """
    labels = probability.astype(np.float32)
    rest = (1.0 - labels.sum(axis=0, keepdims=True)).clip(_LOST, 1.0)
    every = np.concatenate([rest, labels.clip(_TINY, 1.0)])
    if temperature != 1.0:
        every = every ** np.float32(1.0 / temperature)
    result: npt.NDArray[np.float32] = every / every.sum(axis=0, keepdims=True)
    return result


def entropy(every: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the entropy of the probabilities of all classes (C, ...) over its maximum, range [0, 1]."""
    result: npt.NDArray[np.float32] = -(every * np.log(every.clip(1e-12))).sum(axis=0) / np.log(len(every))
    return result


def boundary_band(truth: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Return the voxels within 2 % of the image's diagonal, at least 2 voxels, of where a class ends."""
    width = max(2, round(_BAND * float(np.hypot(*truth.shape[-2:]))))
    band = np.zeros(truth.shape, bool)
    for value in np.unique(truth)[1:]:
        mask = truth == value
        band |= binary_dilation(mask, iterations=width) & ~binary_erosion(mask, iterations=width)
    return band


@dataclass
class Reliability:
    """Bins of confidence: how many voxels, their summed confidence, and how many of them are right."""

    table: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((3, BINS)))

    @classmethod
    def of(cls, confidence: npt.NDArray[Any], right: npt.NDArray[np.bool_]) -> Reliability:
        """Return the bins of voxels with a `confidence` in [0, 1]."""
        bins = np.minimum((confidence.ravel() * BINS).astype(np.intp), BINS - 1)
        weights = (None, confidence.ravel(), right.ravel())
        return cls(np.stack([np.bincount(bins, weights=w, minlength=BINS).astype(np.float64) for w in weights]))

    @property
    def error(self) -> float:
        """The expected calibration error; 0 without voxels."""
        count, confidence, right = self.table
        return float(np.abs(right - confidence).sum() / max(count.sum(), 1.0))

    def rows(self) -> list[dict[str, float]]:
        """Return the bins that are not empty: share of the voxels, mean confidence, share that is right."""
        total = self.table[0].sum()
        return [
            {"share": round(n / total, 5), "confidence": round(c / n, 4), "right": round(r / n, 4)}
            for n, c, r in self.table.T
            if n
        ]


def by_uncertainty(uncertainty: npt.NDArray[Any], where: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return how many of the voxels `where` have each value of the uncertainty that float16 can state, rising."""
    halves = np.clip(uncertainty[where], 0, 1).astype(np.float16).view(np.uint16)
    return np.bincount(halves, minlength=_HALVES).astype(np.int64)


def auroc(wrong: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> float | None:
    """Return the area under the ROC curve for `by_uncertainty` counts; None where nothing or all is wrong."""
    if not wrong.sum() or not right.sum():
        return None
    below = np.cumsum(right) - right
    return float((wrong * (below + 0.5 * right)).sum() / (float(wrong.sum()) * float(right.sum())))


def overlap_of_errors(
    uncertainty: npt.NDArray[Any], wrong: npt.NDArray[np.bool_], thresholds: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    """Return ``2 |U & E| / (|U| + |E|)`` for each threshold, in rising order; 1 where both are empty."""
    edges = np.append(thresholds.astype(np.float64), np.inf)
    every = np.histogram(uncertainty, edges)[0][::-1].cumsum()[::-1]
    both = np.histogram(uncertainty[wrong], edges)[0][::-1].cumsum()[::-1]
    total = every + np.count_nonzero(wrong)
    return np.where(total == 0, 1.0, 2 * both / np.maximum(total, 1))


def retention(voxels: Voxels, steps: int = 200) -> float:
    """Return the area under the curve of Dice against the share of voxels that are put right, most uncertain first."""
    found, truth = voxels.found > 0, voxels.truth > 0
    right = voxels.found == voxels.truth
    order = np.argsort(-voxels.uncertainty.astype(np.float32), axis=None, kind="stable")
    excess = np.cumsum((found & ~right).ravel()[order])
    lacking = np.cumsum((truth & ~right).ravel()[order])
    hits = np.count_nonzero(truth & right)
    at = np.linspace(0, right.size, steps + 1).astype(np.intp)
    gone = np.concatenate([[0], excess])[at]
    gained = np.concatenate([[0], lacking])[at]
    shared = 2 * (hits + gained)
    total = shared + (excess[-1] - gone) + (lacking[-1] - gained)
    dice = np.where(total == 0, 1.0, shared / np.maximum(total, 1))
    return float(trapezoid(dice, dx=1.0 / steps))
