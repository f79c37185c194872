"""What a training run is: everything that `config.toml` of a run says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from napari_medfreq.errors import DatasetError
from napari_medfreq.io.model_config import InputSpec, LabelName  # noqa: TC001 - `tables` reads the annotations
from napari_medfreq.train.tables import read_table

if TYPE_CHECKING:
    from pathlib import Path

Architecture = Literal["mmsnet", "monai-unet"]


@dataclass(frozen=True)
class DataConfig:
    """Which cases.

    Parameters
    ----------
    source : str
        An index file (columns of `cases.read_index`) or a folder with ``images`` and ``masks``, within the data folder.
    sets : tuple of str
        Names of the sets to take from the index; empty takes all.
    skip_empty : bool
        Leave out images whose mask is empty.
    """

    source: str
    sets: tuple[str, ...] = ()
    skip_empty: bool = True


@dataclass(frozen=True)
class Stage:
    """A part of the run: `samples` images of `size` pixels a side, in batches of `batch`."""

    size: int
    batch: int
    samples: int

    def __post_init__(self) -> None:
        if self.size < 32 or self.batch < 1 or self.samples < 1:
            raise DatasetError(
                f"a stage needs at least 32 pixels, a batch of 1 and 1 sample, not {self.size}, {self.batch} and "
                f"{self.samples}."
            )


@dataclass(frozen=True)
class OptimiserConfig:
    """AdamW with a linear warm-up and a cosine decay to 1 % of the rate.

    Parameters
    ----------
    rate : float
        Learning rate at its peak.
    weight_decay : float
        Decoupled, on matrices and kernels only.
    warmup : float
        Share of the run.
    matrices : {"adamw", "muon"}
        What moves the linear layers' matrices; Muon orthogonalises their updates (Jordan et al., 2024).
    matrix_rate : float
        Learning rate of Muon.
    clip : float
        Largest norm of the gradient.
    """

    rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: float = 0.05
    matrices: Literal["adamw", "muon"] = "adamw"
    matrix_rate: float = 0.02
    clip: float = 1.0


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of each sample; the unit is the image's own, 0 switches a part off.

    Parameters
    ----------
    rotate : float
        Degrees, each way.
    scale, shear, translate : float
        Relative to 1, to the other side and to the image's side.
    flip_horizontal, flip_vertical : bool
        Mirror half of the samples.
    gamma, gain, offset : float
        Intensities become ``(1 + gain) x^(1 +- gamma) + offset``.
    blur, noise : float
        Largest standard deviation in pixels, and of the intensities.
    """

    rotate: float = 30.0
    scale: float = 0.25
    shear: float = 0.1
    translate: float = 0.1
    flip_horizontal: bool = True
    flip_vertical: bool = False
    gamma: float = 0.4
    gain: float = 0.3
    offset: float = 0.1
    blur: float = 1.0
    noise: float = 0.05


@dataclass(frozen=True)
class CardConfig:
    """What the model's card says beside its figures."""

    summary: str
    licence: str
    intended_use: str
    not_for: str
    data: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainConfig:
    """A whole run.

    Parameters
    ----------
    name, title, task : str
        Of the model that comes out of it.
    input : InputSpec
        What it sees; `stages` may train at other sizes.
    labels : tuple of LabelName
        What it finds.
    data : DataConfig
        The cases.
    stages : tuple of Stage
        One after the other.
    network : dict
        Fields of `MMSNetConfig`; channels and classes follow from `input` and `labels`.
    architecture : {"mmsnet", "monai-unet"}
        ``monai-unet`` is the baseline that results are compared with.
    start : str
        Name or folder of the model whose weights the run begins with; empty begins with random ones.
    ema : float
        Decay of the averaged weights, which are what is validated and exported.
    checkpoint_every : int
        Samples between checkpoints (and validations).
    workers : int
        Processes that prepare samples; 0 does it in the training process.
    precision : {"32-true", "bf16-mixed", "16-mixed"}
        Of the products; weights and losses are float32 always.

    Raises
    ------
    DatasetError
        If labels, stages or numbers make no run.
    """

    name: str
    title: str
    task: str
    input: InputSpec
    labels: tuple[LabelName, ...]
    data: DataConfig
    stages: tuple[Stage, ...]
    card: CardConfig
    network: dict[str, Any] = field(default_factory=dict)
    architecture: Architecture = "mmsnet"
    optimiser: OptimiserConfig = OptimiserConfig()
    augment: AugmentConfig = AugmentConfig()
    version: str = "1"
    seed: int = 0
    start: str = ""
    ema: float = 0.998
    checkpoint_every: int = 4000
    workers: int = 0
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "bf16-mixed"

    def __post_init__(self) -> None:
        values = [label.value for label in self.labels]
        if not values or (len(values) > 1 and values != list(range(1, len(values) + 1))):
            raise DatasetError(f"the values of the labels must be 1, 2, 3 ... in this order, not {values}.")
        if not self.stages:
            raise DatasetError("there must be at least one of [[stages]].")
        if not 0.0 <= self.ema < 1.0 or self.checkpoint_every < 1:
            raise DatasetError(
                f"ema must lie in [0, 1) and checkpoint_every be above 0, not {self.ema} and {self.checkpoint_every}."
            )

    @property
    def samples(self) -> int:
        """Samples of the whole run."""
        return sum(stage.samples for stage in self.stages)

    @property
    def in_channels(self) -> int:
        """Channels of the network's first layer."""
        return len(self.input.channels) * self.input.slices

    @property
    def classes(self) -> int:
        """Logits of the network: 1 for one label, else the labels and the background."""
        return 1 if len(self.labels) == 1 else len(self.labels) + 1


def read_config(path: Path) -> TrainConfig:
    """Read a run's TOML file.

    Raises
    ------
    DatasetError
        If it is missing, not TOML, or has entries that are unknown, missing or of the wrong kind.
    """
    return read_table(path, TrainConfig)
