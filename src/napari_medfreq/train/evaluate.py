"""How well masks lie on the truth, image by image, on the images' own grid."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch

from napari_medfreq.errors import DatasetError, InputError, MedfreqError
from napari_medfreq.io.files import read
from napari_medfreq.nn import inputs
from napari_medfreq.train.metrics import Overlap, overlap
from napari_medfreq.train.packing import picture
from napari_medfreq.train.reliability import Voxels, classes, tempered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy.typing as npt

    from napari_medfreq.io.model_config import InputSpec, LabelName
    from napari_medfreq.train.cases import Case
    from napari_medfreq.volume import Volume


class Prediction(NamedTuple):
    """What a model says of an image, on the image's grid."""

    labels: npt.NDArray[np.uint8]
    """Label values."""
    probability: npt.NDArray[Any]
    """Range [0, 1], with a leading axis for the labels where there are several."""
    uncertainty: npt.NDArray[Any] | None = None
    """Range [0, 1], where it was asked for."""
    expected_dice: float | None = None
    """What the model expects of `labels`."""
    temperature: float = 1.0
    """What the logits behind `probability` were divided by."""


class Judge(Protocol):
    """Judges uncertainties, image by image: `napari_medfreq.train.trust.Trust`, `calibration.Lessons`."""

    def add(self, voxels: Voxels, dice: float, expected_dice: float | None) -> None:
        """Take in an image."""

    def to_dict(self) -> dict[str, Any]:
        """Return figures for JSON."""


@dataclass
class Scores:
    """Figures of one set.

    Attributes
    ----------
    cases : list
        One entry an image and label: case id, label name, `Overlap`.
    empty, clean : int
        Images whose truth is empty, and those of them on which nothing was marked; they do not count in the means.
    judge : Judge, optional
        Of the uncertainty, on the images whose truth is not empty.
    """

    cases: list[tuple[str, str, Overlap]] = field(default_factory=list)
    empty: int = 0
    clean: int = 0
    judge: Judge | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return means over images (and labels), and over images for each label where there are several."""
        values: dict[str, Any] = {
            "n": len({case for case, _, _ in self.cases}),
            **_means([o for _, _, o in self.cases]),
        }
        names = sorted({name for _, name, _ in self.cases})
        if len(names) > 1:
            values["labels"] = {name: _means([o for _, n, o in self.cases if n == name]) for name in names}
        if self.empty:
            values["empty"] = {"n": self.empty, "nothing_marked": self.clean}
        if self.judge is not None:
            values |= self.judge.to_dict()
        return values


@dataclass
class Evaluation:
    """Scores by set, and what was left out and why."""

    datasets: dict[str, Scores] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "datasets": {name: scores.to_dict() for name, scores in sorted(self.datasets.items())},
            "skipped": dict(self.skipped),
        }


def evaluate(
    cases: list[Case],
    predict: Callable[[Volume], Prediction],
    labels: tuple[LabelName, ...],
    *,
    modalities: tuple[str, ...] = (),
    judge: Callable[[str], Judge] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Compare predictions with the truth.

    Parameters
    ----------
    cases : list of Case
        What to predict.
    predict : callable
        From an image to its `Prediction`.
    labels : tuple of LabelName
        What the model finds; with a single label every non-zero value of a mask counts.
    modalities : tuple of str
        What the model is for; cases of another modality are skipped, and counted.
    judge : callable, optional
        Makes the judge of the uncertainties of a set, which is named to it.
    progress : callable, optional
        Called with the number of cases done and of all.

    Raises
    ------
    DatasetError
        If a file cannot be read, or truth and image differ in shape.
    """
    result = Evaluation()
    for number, case in enumerate(cases):
        if modalities and case.task and case.task not in modalities:
            result.skipped[f"{case.dataset}: the model is not for {case.task}"] += 1
        else:
            if case.dataset not in result.datasets:
                result.datasets[case.dataset] = Scores(judge=None if judge is None else judge(case.dataset))
            _score(case, predict, labels, result.datasets[case.dataset])
        if progress is not None:
            progress(number + 1, len(cases))
    return result


def _score(case: Case, predict: Callable[[Volume], Prediction], labels: tuple[LabelName, ...], scores: Scores) -> None:
    try:
        image, truth = read(case.image)[0], read(case.mask)[0].data
        found = predict(image)
    except MedfreqError as error:
        raise DatasetError(f"{case.dataset} {case.id}: {error}") from error
    truth = truth[0] if truth.ndim > found.labels.ndim else truth
    if truth.shape != found.labels.shape:
        raise DatasetError(f"{case.mask}: the mask has the shape {truth.shape}, its image {found.labels.shape}.")
    if not truth.any():
        scores.empty += 1
        scores.clean += not found.labels.any()
        return
    single = len(labels) == 1
    wanted = _foreground(truth).astype(np.intp) if single else classes(truth, tuple(label.value for label in labels))
    marked = classes(found.labels, tuple(label.value for label in labels))
    probability = found.probability[None] if single else found.probability
    # The absolute error rewards being too sure: it is stated of what the network says, as elsewhere.
    own = probability if found.temperature == 1.0 else tempered(probability, 1.0 / found.temperature)[1:]
    overlaps = [overlap(p, marked == i, wanted == i) for i, p in enumerate(own, start=1)]
    scores.cases += [(case.id, label.name, o) for label, o in zip(labels, overlaps, strict=True)]
    if scores.judge is not None and found.uncertainty is not None:
        voxels = Voxels(probability, marked, wanted, found.uncertainty)
        scores.judge.add(voxels, float(np.mean([o.dice for o in overlaps])), found.expected_dice)


def _foreground(truth: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    # Lossy copies of 0/255 masks hold values in between.
    result: npt.NDArray[np.bool_] = truth >= 128 if truth.max() > 127 else truth > 0
    return result


def _means(overlaps: Iterable[Overlap]) -> dict[str, float]:
    table = np.array([(o.dice, o.iou, o.mae) for o in overlaps], dtype=np.float64).reshape(-1, 3)
    if not len(table):
        return {}
    return {name: round(float(v), 4) for name, v in zip(("dice", "iou", "mae"), table.mean(axis=0), strict=True)}


def network_predictor(network: torch.nn.Module, spec: InputSpec) -> Callable[[Volume], Prediction]:
    """Return a predictor for a bare one-label network on pictures (a baseline that has no model folder).

    The picture is resized to the network's size and the probability back, as the engine does. What it returns raises
    `InputError` for volumes and for networks with several labels: those have a model folder and the engine.
    """
    network.eval()

    @torch.inference_mode()
    def predict(image: Volume) -> Prediction:
        if image.axes not in ("yx", "cyx"):
            raise InputError(f"{image.name} is no picture. Export the run, and evaluate the model instead.")
        pixels = inputs.resize(picture(image, spec)[None], spec.size)
        logits = network(pixels)
        if logits.shape[1] != 1:
            raise InputError("A run with several labels cannot be evaluated. Export it, and evaluate the model.")
        probability = logits.sigmoid()
        full = torch.nn.functional.interpolate(probability, image.spatial_shape, mode="bilinear", align_corners=False)
        found = full[0, 0].numpy()
        return Prediction((found >= 0.5).astype(np.uint8), found)

    return predict
