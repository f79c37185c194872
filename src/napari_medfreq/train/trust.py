"""The figures of `reliability` over the images of a set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medfreq.train.reliability import (
    Reliability,
    Voxels,
    auroc,
    boundary_band,
    by_uncertainty,
    overlap_of_errors,
    retention,
    tempered,
)

if TYPE_CHECKING:
    from napari_medfreq.io.model_config import Calibration

_PLACES = ("whole", "band")
_THRESHOLD = 0.5


@dataclass
class Trust:
    """Sums over the images of a set.

    Parameters
    ----------
    calibration : Calibration, optional
        Of the model, as it was applied to the probabilities: with it the calibration error before is stated as well.
    measure : str
        What the uncertainty is. A threshold means something for the measure that it was tuned for alone, so for another
        one the overlap is not stated.
    """

    calibration: Calibration | None = None
    measure: str = "entropy"
    _tables: dict[str, Reliability] = field(default_factory=dict)
    _ranks: dict[str, Any] = field(default_factory=dict)
    _means: dict[str, list[float]] = field(default_factory=dict)

    @property
    def threshold(self) -> float | None:
        """The uncertainty from which on a voxel counts as uncertain: what was tuned on validation cases, else 0.5."""
        calibration = self.calibration
        if calibration is None or calibration.uncertainty_threshold is None:
            return _THRESHOLD
        return calibration.uncertainty_threshold if calibration.measure == self.measure else None

    def add(self, voxels: Voxels, dice: float, expected_dice: float | None) -> None:
        """Take in an image, its Dice coefficient and the one that was expected."""
        right = voxels.found == voxels.truth
        places = {"whole": np.ones(right.shape, bool), "band": boundary_band(voxels.truth)}
        temperatures = {"": 1.0}
        if self.calibration is not None:
            temperatures["_before"] = 1.0 / self.calibration.temperature_for(voxels.share)
        for when, temperature in temperatures.items():
            confidence = tempered(voxels.probability, temperature).max(axis=0)
            for place, where in places.items():
                found = Reliability.of(confidence[where], right[where])
                total = self._tables.setdefault(place + when, Reliability())
                total.table += found.table
                if place == "whole":
                    self._means.setdefault(f"ece_image{when}", []).append(found.error)
        for place, where in places.items():
            counts = np.stack([by_uncertainty(voxels.uncertainty, where & part) for part in (~right, right)])
            self._ranks[place] = self._ranks.get(place, 0) + counts
        means = self._means
        if self.threshold is not None:
            overlap = overlap_of_errors(voxels.uncertainty, ~right, np.array([self.threshold]))
            means.setdefault("ue_overlap", []).append(float(overlap[0]))
        means.setdefault("retention", []).append(retention(voxels))
        if expected_dice is not None:
            means.setdefault("expected_dice_error", []).append(abs(expected_dice - dice))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; nothing without images."""
        if not self._tables:
            return {}
        values: dict[str, Any] = {name: round(float(np.mean(v)), 4) for name, v in self._means.items()}
        for name, table in self._tables.items():
            values["ece" + name.removeprefix("whole").replace("band", "_band")] = round(table.error, 4)
        for place, (wrong, right) in self._ranks.items():
            area = auroc(wrong, right)
            if area is not None:
                values["error_auroc" + ("_band" if place == "band" else "")] = round(area, 4)
        if self.threshold is not None:
            values["ue_threshold"] = self.threshold
        values["reliability"] = {name: table.rows() for name, table in self._tables.items()}
        return values
