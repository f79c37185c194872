"""What a training run of a synthesis network is: everything that `config.toml` of such a run says."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from napari_medfreq.errors import DatasetError
from napari_medfreq.nn.aegan import AEGANConfig
from napari_medfreq.train.config import CardConfig, Stage  # noqa: TC001 - `tables` reads the annotations
from napari_medfreq.train.tables import read_table

if TYPE_CHECKING:
    from pathlib import Path

KIND = "synthesis"


@dataclass(frozen=True)
class PersonsConfig:
    """Whose images.

    Parameters
    ----------
    source : str
        A folder within the data folder, with a folder a person that holds a file a contrast (``t1.nii.gz`` ...).
    strata : tuple of tuple of str
        Patterns of the persons' names (``lit_ms_*``). Of each stratum `held_out` persons are kept for testing; who
        belongs to none is left out.
    held_out : int
        Persons of each stratum that the network never sees.
    """

    source: str
    strata: tuple[tuple[str, ...], ...] = (("*",),)
    held_out: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "strata", tuple(tuple(patterns) for patterns in self.strata))
        if not self.strata or self.held_out < 0:
            raise DatasetError("[data] needs at least one of its strata, and held_out must not be negative.")


@dataclass(frozen=True)
class LossConfig:
    """The weights of the losses, see `napari_medfreq.nn.aegan_losses`.

    Parameters
    ----------
    reconstruction : float
        Of the mean absolute difference, for both networks; 100 as published.
    adversarial : float
        Of what the discriminator says of the synthesised image; 1 as published, 0 leaves it out.
    self_representation : float
        Lambda, held during the whole run; 0 leaves it out. With both 0 there is no autoencoder.
    """

    reconstruction: float = 100.0
    adversarial: float = 1.0
    self_representation: float = 0.5

    def __post_init__(self) -> None:
        if min(self.reconstruction, self.adversarial, self.self_representation) < 0 or not self.reconstruction:
            raise DatasetError("[losses] must not be negative, and reconstruction above 0.")

    @property
    def with_autoencoder(self) -> bool:
        """Whether the autoencoder teaches anything."""
        return self.adversarial > 0 or self.self_representation > 0


@dataclass(frozen=True)
class PairOptimiserConfig:
    """Adam for both networks, with a linear warm-up and a cosine decay to 1 % of the rate.

    Parameters
    ----------
    rate, autoencoder_rate : float
        At their peak; 1e-4 and constant as published, for 300 passes over the data.
    beta1 : float
        0.5 as published.
    warmup : float
        Share of the run.
    clip : float
        Largest norm of the gradient of the synthesis network.
    """

    rate: float = 1e-4
    autoencoder_rate: float = 1e-4
    beta1: float = 0.5
    warmup: float = 0.02
    clip: float = 10.0


@dataclass(frozen=True)
class VariationConfig:
    """Random changes of each sample; 0 switches a part off.

    Parameters
    ----------
    rotate : float
        Degrees, each way.
    scale : float
        Relative to 1.
    flip : bool
        Mirror half of the samples, left to right.
    gamma, gain : float
        Of each input by itself, ``gain x^exp(+-gamma)``: scanners differ more than four persons can show.
    """

    rotate: float = 10.0
    scale: float = 0.1
    flip: bool = True
    gamma: float = 0.15
    gain: float = 0.1


@dataclass(frozen=True)
class SynthesisConfig:
    """A whole run.

    Parameters
    ----------
    kind : {"synthesis"}
        Tells the file from a config for segmentation.
    name, title : str
        Of the model that comes out of it.
    data : PersonsConfig
        The persons.
    stages : tuple of Stage
        One after the other: `samples` crops of `size` pixels.
    network : dict
        Fields of `AEGANConfig`.
    architecture : {"aegan", "monai-unet"}
        ``monai-unet`` is the baseline: the same samples, the mean absolute difference alone.
    ema : float
        Decay of the averaged weights, which are what is exported.
    checkpoint_every : int
        Samples between checkpoints.

    Raises
    ------
    DatasetError
        If stages or numbers make no run.
    """

    kind: Literal["synthesis"]
    name: str
    title: str
    data: PersonsConfig
    stages: tuple[Stage, ...]
    card: CardConfig
    network: dict[str, Any] = field(default_factory=dict)
    architecture: Literal["aegan", "monai-unet"] = "aegan"
    losses: LossConfig = LossConfig()
    optimiser: PairOptimiserConfig = PairOptimiserConfig()
    variation: VariationConfig = VariationConfig()
    version: str = "1"
    seed: int = 0
    ema: float = 0.998
    checkpoint_every: int = 1000
    workers: int = 0
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "bf16-mixed"

    def __post_init__(self) -> None:
        if not self.stages:
            raise DatasetError("there must be at least one of [[stages]].")
        if odd := [stage.size for stage in self.stages if stage.size % 4]:
            raise DatasetError(f"the size of a stage must be a multiple of 4, not {odd[0]}.")
        if not 0.0 <= self.ema < 1.0 or self.checkpoint_every < 1:
            raise DatasetError(
                f"ema must lie in [0, 1) and checkpoint_every be above 0, not {self.ema} and {self.checkpoint_every}."
            )
        self.sizes()

    @property
    def samples(self) -> int:
        """Samples of the whole run."""
        return sum(stage.samples for stage in self.stages)

    def sizes(self) -> AEGANConfig:
        """Return the table ``network`` as what it means.

        Raises
        ------
        DatasetError
            If it asks for what does not exist.
        """
        try:
            return AEGANConfig.from_dict(self.network)
        except (TypeError, ValueError) as error:
            raise DatasetError(f"[network] of the training config {self.name!r}: {error}") from error


def read_config(path: Path) -> SynthesisConfig:
    """Read a run's TOML file.

    Raises
    ------
    DatasetError
        If it is missing, not TOML, or has entries that are unknown, missing or of the wrong kind.
    """
    return read_table(path, SynthesisConfig)


def is_synthesis(path: Path) -> bool:
    """Return whether the TOML file `path` says that it is for synthesis; what cannot be read says nothing."""
    try:
        return bool(tomllib.loads(path.read_text(encoding="utf-8")).get("kind") == KIND)
    except (OSError, ValueError):
        return False
