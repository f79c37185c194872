"""How well a mask is expected to lie on the truth that nobody has marked yet, from its own probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_medfreq.io.model_config import Calibration


def soft_dice(
    labels: npt.NDArray[np.uint8], probability: npt.NDArray[Any], values: Sequence[int]
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

    Returns
    -------
    dict
        Range [0, 1]; None for a label that was not found: of nothing, nothing can be expected.
    """
    many = probability.ndim > labels.ndim
    found: dict[int, float | None] = {}
    for index, value in enumerate(values):
        mask = labels == value if many or len(values) == 1 else labels > 0
        own = probability[index] if many else probability
        size = np.count_nonzero(mask)
        shared = float(np.sum(own, where=mask, dtype=np.float64))
        found[value] = 2 * shared / (size + float(np.sum(own, dtype=np.float64))) if size else None
    return found


def expected_dice(
    labels: npt.NDArray[np.uint8],
    probability: npt.NDArray[Any],
    values: Sequence[int],
    calibration: Calibration | None,
) -> float | None:
    """Return the mean over the labels found of `soft_dice`, put right by what was seen on the validation cases.

    None without a calibration of the model, or where nothing was found.
    """
    soft = [value for value in soft_dice(labels, probability, values).values() if value is not None]
    if calibration is None or calibration.dice_error is None or not soft:
        return None
    return float(np.clip(calibration.dice_offset + calibration.dice_slope * np.mean(soft), 0.0, 1.0))
