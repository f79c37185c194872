"""What validation cases teach of how far a model's probabilities can be trusted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from napari_medfreq.errors import DatasetError
from napari_medfreq.io.model_config import Calibration
from napari_medfreq.nn.agreement import soft_dice
from napari_medfreq.train.reliability import Voxels, entropy, overlap_of_errors, tempered

if TYPE_CHECKING:
    import numpy.typing as npt

_SAMPLE = 5_000  # voxels of an image that the temperature is fitted on, so that each image counts the same
_RANGE = (0.1, 20.0)
_DICE_TEMPERATURES = (0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
_FOLDS = 10
_FEWEST = 5
_ENOUGH = 30
_THRESHOLDS = np.linspace(0.01, 0.99, 99)


@dataclass
class Lessons:
    """Images whose truth is known, predicted without calibration.

    Attributes
    ----------
    images : list of Voxels
        One an image.
    dice : list of float
        The Dice coefficient of each.
    sets : list of str
        The set that each is from; sets count the same, however many images they have.
    """

    images: list[Voxels] = field(default_factory=list)
    dice: list[float] = field(default_factory=list)
    sets: list[str] = field(default_factory=list)

    def of(self, name: str) -> Lesson:
        """Return what takes in the images of a set."""
        return Lesson(self, name)

    def calibration(self, method: str, measure: str, passes: int) -> Calibration:
        """Return what was learned; the uncertainty is that of `method`, `measure` and `passes`.

        Raises
        ------
        DatasetError
            If there are fewer than five images.
        """
        if len(self.images) < _FEWEST:
            raise DatasetError(
                f"A model is calibrated on at least {_FEWEST} validation cases with a target; there are "
                f"{len(self.images)}. Name an index with more of them."
            )
        sizes = Counter(self.sets)
        temperature, slope = fit_temperature(self.images, np.array([1.0 / sizes[name] for name in self.sets]))
        learned = Calibration(
            temperature=round(temperature, 4),
            temperature_slope=round(slope, 4),
            cases=len(self.images),
            method=method,
            measure=measure,
            passes=passes,
        )
        dice = np.array(self.dice)
        temperatures = _DICE_TEMPERATURES
        fits = [fit_dice(_expectations(self.images, learned, t), dice) for t in temperatures]
        best = int(np.argmin([np.inf if error is None else error for _, _, error in fits]))
        offset, slope, error = fits[best]
        return replace(
            learned,
            uncertainty_threshold=_best_threshold(self.images, learned),
            dice_temperature=temperatures[best],
            dice_slope=slope,
            dice_offset=offset,
            dice_error=error,
        )


@dataclass(frozen=True)
class Lesson:
    """A set of `Lessons`; a `napari_medfreq.train.evaluate.Judge`."""

    lessons: Lessons
    name: str

    def add(self, voxels: Voxels, dice: float, expected_dice: float | None = None) -> None:
        """Take in an image; what its Dice coefficient was expected to be is not asked."""
        self.lessons.images.append(voxels)
        self.lessons.dice.append(dice)
        self.lessons.sets.append(self.name)

    def to_dict(self) -> dict[str, int]:
        """Return how many images there are."""
        return {"cases": self.lessons.sets.count(self.name)}


def fit_temperature(images: list[Voxels], weights: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the temperature, and its slope, with the least negative log-likelihood of the truth.

    After Guo et al., *On Calibration of Modern Neural Networks* (ICML 2017), where there is no slope: what it stands
    for is in `Calibration`. It is fitted to pictures only, of which there are enough, and kept where it lowers the loss
    by more than a percent.

    Parameters
    ----------
    images : list of Voxels
        Each counts the same, whatever its size, but for its weight.
    weights : numpy.ndarray, shape (N,)
        Of the images.
    """
    rng = np.random.default_rng(0)
    parts = []
    for image in images:
        size = image.truth.size
        chosen = rng.choice(size, _SAMPLE, replace=False) if size > _SAMPLE else np.arange(size)
        logits = np.log(tempered(image.probability.reshape(len(image.probability), -1)[:, chosen], 1.0))
        parts.append((image.share, logits, image.truth.ravel()[chosen]))

    def loss(point: npt.NDArray[np.float64]) -> float:
        trial = Calibration(float(np.exp(point[0])), float(point[1]) if len(point) > 1 else 0.0)
        losses = [
            _negative_log_likelihood((z / trial.temperature_for(share)).astype(np.float32), y) for share, z, y in parts
        ]
        return float(np.average(losses, weights=weights))

    single = minimize_scalar(lambda x: loss(np.array([x])), bounds=tuple(np.log(_RANGE)), method="bounded")
    if len(images) >= _ENOUGH and all(image.truth.ndim == 2 for image in images):
        simplex = np.array([[single.x, 0.0], [single.x + 0.2, 0.0], [single.x, -0.3]])
        options = {"initial_simplex": simplex, "xatol": 0.005, "fatol": 1e-6}
        limits = (tuple(np.log(_RANGE)), (-2.0, 2.0))
        double = minimize(loss, simplex[0], method="Nelder-Mead", bounds=limits, options=options)
        if double.fun < 0.99 * single.fun:
            return float(np.exp(double.x[0])), float(double.x[1])
    return float(np.exp(single.x)), 0.0


def _negative_log_likelihood(logits: npt.NDArray[np.float32], truth: npt.NDArray[np.intp]) -> float:
    own = np.take_along_axis(logits, truth[None], axis=0)[0]
    return float(np.mean(np.logaddexp.reduce(logits, axis=0) - own))


def fit_dice(expected: npt.NDArray[np.float64], dice: npt.NDArray[np.float64]) -> tuple[float, float, float | None]:
    """Return offset and slope from the expected to the found Dice coefficient, and their mean absolute error.

    The line is taken only where it does better than none on images that it was not fitted to; the error is that of
    those images.

    Parameters
    ----------
    expected, dice : numpy.ndarray, shape (N,)
        NaN in `expected` where nothing was found.
    """
    known = np.isfinite(expected)
    x, y = expected[known], dice[known]
    if len(x) < _FEWEST:
        return 0.0, 1.0, None
    plain = float(np.abs(x - y).mean())
    fold = np.random.default_rng(0).permutation(len(x)) % _FOLDS
    lines = [_line(x[fold != i], y[fold != i]) if (fold == i).any() else (0.0, 1.0) for i in range(_FOLDS)]
    offset, slope = np.array(lines)[fold].T
    fitted = float(np.abs(np.clip(offset + slope * x, 0, 1) - y).mean())
    if fitted >= plain:
        return 0.0, 1.0, round(plain, 4)
    best = _line(x, y)
    return round(best[0], 4), round(best[1], 4), round(fitted, 4)


def _line(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> tuple[float, float]:
    if np.ptp(x) < 1e-6:
        return float(np.median(y)), 0.0
    slope, offset = np.polyfit(x, y, 1)
    return float(offset), float(slope)


def _expectations(images: list[Voxels], learned: Calibration, temperature: float) -> npt.NDArray[np.float64]:
    means = []
    for image in images:
        # As it will be in use, where only calibrated probabilities are at hand.
        own = learned.temperature_for(image.share)
        probability = tempered(image.probability, own)[1:]
        values = range(1, len(probability) + 1)
        found = soft_dice(image.found.astype(np.uint8), probability, values, temperature / own)
        known = [value for value in found.values() if value is not None]
        means.append(float(np.mean(known)) if known else float("nan"))
    return np.array(means)


def _best_threshold(images: list[Voxels], learned: Calibration) -> float:
    """Return the uncertainty with the largest mean overlap of what is above it and what is wrong."""
    total = np.zeros(len(_THRESHOLDS))
    for image in images:
        uncertainty = image.uncertainty
        if learned.measure == "entropy":  # of the calibrated mean; the others come from the passes as they are
            uncertainty = entropy(tempered(image.probability, learned.temperature_for(image.share)))
        total += overlap_of_errors(uncertainty, image.found != image.truth, _THRESHOLDS)
    return round(float(_THRESHOLDS[int(total.argmax())]), 4)
