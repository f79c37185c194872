"""What can be asked of a segmentation, and what comes back: plain data, no torch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from napari_medfreq.errors import InputError
from napari_medfreq.io.models import LabelName

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_medfreq.volume import Volume

__all__ = ["LabelName", "Measure", "Method", "Precision", "Region", "SegmentOptions", "Segmentation", "Sink"]

Precision = Literal["auto", "float32", "bfloat16"]
Method = Literal["dropout", "closed-form", "flips", "stochastic-depth"]
Measure = Literal["entropy", "expected-entropy", "mutual-information", "variance"]


@dataclass(frozen=True)
class SegmentOptions:
    """How to segment.

    Parameters
    ----------
    passes : int
        Monte Carlo passes; 0 asks for one deterministic pass and no uncertainty.
    seed : int
        Seed of the passes; same seed, same device, same result.
    device : str
        ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
    precision : {"auto", "float32", "bfloat16"}
        ``auto`` takes bfloat16 where the processor computes it faster, else float32.
    threshold : float
        A voxel belongs to a label of a one-label model where its probability is at least this.
    axis : int, optional
        Slice a volume along this spatial axis; by default along the acquisition axis (the coarsest spacing).
    tile : int, optional
        Side of the square tiles, in pixels of the working grid; by default a slice is tiled only where
        the memory asks for it.
    batch : int, optional
        Slices (or tiles) seen by the network at once; by default what fits.
    method : {"dropout", "closed-form", "flips", "stochastic-depth"}
        What differs between the passes: channels that are dropped in head and decoder; the same for the head alone, in
        closed form instead of `passes` passes; the image's four flips, whatever `passes` is; or residual branches of
        the encoder that are left out.
    measure : {"entropy", "expected-entropy", "mutual-information", "variance"}
        What the uncertainty is, see `napari_medfreq.engine.uncertainty`.
    calibrated : bool
        Whether the temperature that was fitted for the model acts on the probabilities; the mask is the same.
    """

    passes: int = 0
    seed: int = 0
    device: str = "auto"
    precision: Precision = "auto"
    threshold: float = 0.5
    axis: int | None = None
    tile: int | None = None
    batch: int | None = None
    method: Method = "dropout"
    measure: Measure = "entropy"
    calibrated: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.passes <= 1000:
            raise InputError(f"passes must lie between 0 and 1000, not {self.passes}.")
        if not 0.0 < self.threshold < 1.0:
            raise InputError(f"threshold must lie between 0 and 1, not {self.threshold}.")
        for name, known in (("method", get_args(Method)), ("measure", get_args(Measure))):
            if getattr(self, name) not in known:
                raise InputError(f"{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}.")


@dataclass(frozen=True)
class Region:
    """What was found of one label.

    Attributes
    ----------
    label : LabelName
        Which label.
    voxels : int
        Number of voxels (pixels in 2D).
    size : float
        Volume in millilitres (3D, calibrated), area in mm² (2D, calibrated) or pixels.
    size_unit : str
        ``ml``, ``mm²`` or ``px``.
    mean_probability, mean_uncertainty : float or None
        Averages over the label's voxels; None where nothing was found or no passes were asked for.
    """

    label: LabelName
    voxels: int
    size: float
    size_unit: str
    mean_probability: float | None
    mean_uncertainty: float | None

    @property
    def size_text(self) -> str:
        """`size` with its unit, as it is read: ``37,419 px``, ``1.45 ml``, ``not found``."""
        if self.voxels == 0:
            return "not found"
        digits = f"{self.size:,.0f}" if self.size_unit == "px" or self.size >= 1000 else f"{self.size:.3g}"
        return f"{digits} {self.size_unit}"


@dataclass(frozen=True)
class Segmentation:
    """The result: volumes on the grid of the source.

    Attributes
    ----------
    labels : Volume
        uint8, spatial axes of the source (with its ``t``, and with its ``c`` where a model of one channel saw the
        channels one by one), 0 is background.
    probability : Volume
        float16, range [0, 1]; foreground probability for one label, else channels ``c`` = labels (background left out).
        Where the source has frames ``t``, or channels that were segmented one by one, it is the probability of any
        label, on the axes of `labels`.
    uncertainty : Volume or None
        float16, range [0, 1]: the measure that was asked for, divided by its maximum; None without passes.
    regions : tuple of Region
        What was found, a row a label.
    provenance : dict
        Model, hash, options, seed, versions, device, seconds: what repeats the result. JSON-serialisable.
    expected_dice : float or None
        The Dice coefficient that the probabilities let expect of `labels`, range [0, 1]; None where the model was not
        calibrated, or nothing was found.
    expected_dice_error : float or None
        How far, on average, such an expectation lay from the truth on the model's validation cases.
    """

    labels: Volume
    probability: Volume
    uncertainty: Volume | None
    regions: tuple[Region, ...]
    provenance: dict[str, Any] = field(default_factory=dict)
    expected_dice: float | None = None
    expected_dice_error: float | None = None

    @property
    def named_labels(self) -> Volume:
        """`labels` with a header that names the labels and the model, as a DICOM SEG wants to state them."""
        names = {region.label.value: region.label.name for region in self.regions}
        model = self.provenance.get("model", {})
        algorithm = {key: model[key] for key in ("name", "version") if key in model}
        return replace(self.labels, header={**self.labels.header, "labels": names, "algorithm": algorithm})


class Sink(Protocol):
    """Where the engine reports while it works. All calls come from one thread; `check` may raise `Cancelled`."""

    def progress(self, done: int, total: int, text: str) -> None:
        """Report that `done` of `total` steps are finished."""

    def note(self, text: str) -> None:
        """Say something the user should know (a step down after out-of-memory, for one)."""

    def check(self) -> None:
        """Raise `Cancelled` if the request was cancelled; called before every tile and every Monte Carlo pass."""

    def allocate(self, name: str, shape: tuple[int, ...], dtype: str) -> npt.NDArray[np.generic]:
        """Return a zeroed array for the result `name` (``labels``, ``probability``, ``uncertainty``)."""

    def partial(self, name: str, region: tuple[tuple[int, int], ...]) -> None:
        """Say that `region` (start, stop for each axis) of the array `name` now holds its (first or better) values."""
