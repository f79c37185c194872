"""How close a synthesised contrast is to the real one, beside what simpler means would have made of the same inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medfreq.errors import DatasetError
from napari_medfreq.nn.aegan_contrasts import inputs_for
from napari_medfreq.nn.aegan_inputs import AIR
from napari_medfreq.nn.aegan_planes import synthesise_planes
from napari_medfreq.train.synthesis.persons import load_study

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    import torch

    from napari_medfreq.nn.aegan import Synthesis
    from napari_medfreq.train.synthesis.baselines import Baselines, UNetSynthesis
    from napari_medfreq.train.synthesis.persons import Person

Predictor = Callable[["npt.NDArray[Any]", "npt.NDArray[np.bool_]", int], "npt.NDArray[np.float32]"]
"""Inputs (n - 1, Z, H, W) in [0, 1], where any of them shows the head, the target's index: (Z, H, W) in [0, 1]."""

DATA_RANGE = (
    "the 99.9 percentile of the real target within the head; measured per volume over the voxels of the head (where "
    "any contrast exceeds 5 % of its bright voxels), then averaged over persons; MAE in shares of that range"
)
_TOP = 99.9
_WINDOW = 11  # voxels of the Gaussian window, sigma 1.5


@dataclass(frozen=True)
class Figures:
    """How close a volume is to the truth, within the head.

    Attributes
    ----------
    psnr : float
        dB, see `DATA_RANGE`.
    ssim : float
        Structural similarity with a Gaussian window of 1.5 voxels in 3D (in planes where there are fewer than 11).
    mae : float
        Mean absolute difference, as a share of the range.
    lesion_psnr : float or None
        PSNR within the lesions that an expert drew, where there are any.
    """

    psnr: float
    ssim: float
    mae: float
    lesion_psnr: float | None = None


@dataclass
class Evaluation:
    """The figures: by person, target and method; the method "" is the model itself."""

    rows: dict[tuple[str, str, str], Figures] = field(default_factory=dict)

    def mean(self, target: str, method: str = "") -> dict[str, float]:
        """Return the averages over persons; ``lesion_psnr`` over those with lesions, and only where there are some."""
        chosen = [asdict(found) for (_, t, m), found in self.rows.items() if (t, m) == (target, method)]
        means: dict[str, float] = {}
        for name in ("psnr", "ssim", "mae", "lesion_psnr"):
            if values := [figures[name] for figures in chosen if figures[name] is not None]:
                means[name] = float(np.mean(values))
        return means

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON knows: means by target, baselines beside them, and every person."""
        targets = list(dict.fromkeys(target for _, target, _ in self.rows))
        methods = list(dict.fromkeys(method for _, _, method in self.rows if method))
        table = {
            target: {**self.mean(target), "baselines": {method: self.mean(target, method) for method in methods}}
            for target in targets
        }
        persons: dict[str, Any] = {}
        for (person, target, method), found in self.rows.items():
            place = persons.setdefault(person, {}).setdefault(target, {"baselines": {}})
            figures = {name: value for name, value in asdict(found).items() if value is not None}
            if method:
                place["baselines"][method] = figures
            else:
                place.update(figures)
        return {"targets": table, "persons": persons, "data_range": DATA_RANGE}


def evaluate(
    persons: Sequence[Person],
    contrasts: tuple[str, ...],
    methods: Mapping[str, Predictor],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Leave each contrast of each person out, have it made from the others, and compare.

    Parameters
    ----------
    persons : sequence of Person
        With all contrasts.
    contrasts : tuple of str
        Of the model.
    methods : mapping
        What makes a contrast, by name; the model has the name "".
    progress : callable
        Told how many volumes are done, of how many.

    Raises
    ------
    DatasetError
        If there is nobody, or somebody's files do not fit together.
    """
    if not persons:
        raise DatasetError("there is nobody to evaluate on.")
    found = Evaluation()
    total = len(persons) * len(contrasts) * len(methods)
    for person in persons:
        study = load_study(person, contrasts)
        for target, name in enumerate(contrasts):
            inputs = study.stacks[[contrasts.index(other) for other in inputs_for(contrasts, name)]]
            seen = head_of(inputs)
            for method, predict in methods.items():
                made = predict(inputs, seen, target) * seen
                truth = study.stacks[target].astype(np.float32)
                found.rows[person.name, name, method] = compare(truth, made, study.head, study.lesions)
                progress(len(found.rows), total)
    return found


def head_of(inputs: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return where any of `inputs` (n, Z, H, W), range [0, 1], shows the head."""
    return np.asarray((inputs > AIR).any(axis=0))


def compare(
    truth: npt.NDArray[np.float32],
    made: npt.NDArray[np.float32],
    head: npt.NDArray[np.bool_],
    lesions: npt.NDArray[np.bool_] | None = None,
) -> Figures:
    """Return the figures of `made` (Z, H, W), range [0, 1], against `truth`, over the voxels of `head`."""
    from skimage.metrics import peak_signal_noise_ratio

    span = float(np.percentile(truth[head], _TOP))

    def psnr(mask: Any) -> float:
        return float(peak_signal_noise_ratio(truth[mask], made[mask], data_range=span))

    ssim = _similarity(truth, made, span)[head].mean()
    mae = np.abs(truth - made)[head].mean() / span
    marked = lesions is not None and bool(lesions.any())
    return Figures(psnr(head), float(ssim), float(mae), psnr(lesions) if marked and lesions is not None else None)


def _similarity(truth: npt.NDArray[np.float32], made: npt.NDArray[np.float32], span: float) -> npt.NDArray[np.float32]:
    from skimage.metrics import structural_similarity

    def map_of(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        result: npt.NDArray[np.float32] = structural_similarity(
            one, other, data_range=span, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
        )[1]
        return result

    if len(truth) >= _WINDOW:
        return map_of(truth, made)
    return np.stack([map_of(one, other) for one, other in zip(truth, made, strict=True)])


def network_predictor(network: Synthesis | UNetSynthesis, precision: torch.dtype) -> Predictor:
    """Return what `network` (AE-GAN, or the U-Net baseline, in evaluation mode) makes, plane by plane."""
    slices = network.config.slices

    def predict(inputs: npt.NDArray[Any], head: npt.NDArray[np.bool_], target: int) -> npt.NDArray[np.float32]:
        made = synthesise_planes(network, inputs, target, slices=slices, precision=precision)
        return np.concatenate([planes for _, planes in made])

    return predict


def fitted_predictors(fitted: Baselines) -> dict[str, Predictor]:
    """Return the baselines that need no training, by name."""
    return {"mean of matched inputs": fitted.matched_mean, "linear regression": fitted.linear}
