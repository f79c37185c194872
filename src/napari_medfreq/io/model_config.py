"""What a model folder says of its model: the dataclasses behind ``config.toml``, read and written."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, get_args

from napari_medfreq.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Set
    from pathlib import Path

    from napari_medfreq.io.cards import Card

CONFIG, WEIGHTS = "config.toml", "weights.safetensors"
FORMAT = 1
Normalisation = Literal["unit", "percentile"]
ModelKind = Literal["segmentation", "synthesis"]
_LEAST_SHARE = 0.1


@dataclass(frozen=True)
class LabelName:
    """One output label of a model: its value in the mask, its name and its colour (``#rrggbb``)."""

    value: int
    name: str
    colour: str

    def __post_init__(self) -> None:
        if not 1 <= self.value <= 255:
            raise ModelError(f"label {self.name!r}: its value must lie between 1 and 255, not {self.value}.")
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", self.colour):
            raise ModelError(f"label {self.name!r}: its colour must read like #e8a33d, not {self.colour!r}.")


@dataclass(frozen=True)
class InputSpec:
    """What a model wants to see.

    Parameters
    ----------
    channels : tuple of str
        Names of the channels, in the order of the first convolution (``red, green, blue``; ``t1, flair``).
    slices : int
        Odd; each slice of a volume is seen together with its ``slices - 1`` neighbours.
    size : int
        Side in pixels of the square that a whole slice is resized to, or, with a `spacing`, padded to where it is
        smaller.
    spacing : float, optional
        Pixel size in mm that slices are resampled to; None to resize the whole slice to `size` instead.
    normalisation : {"unit", "percentile"}
        How intensities come to [0, 1], see `napari_medfreq.nn.inputs.normalise`.
    modalities : tuple of str
        What kinds of images it was made for (``colonoscopy``, ``ultrasound-breast``); empty says nothing.
    """

    channels: tuple[str, ...]
    slices: int = 1
    size: int = 256
    spacing: float | None = None
    normalisation: Normalisation = "unit"
    modalities: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        object.__setattr__(self, "modalities", tuple(self.modalities))
        if not self.channels or len(set(self.channels)) != len(self.channels):
            raise ModelError(f"the input channels must have different names, not {self.channels}.")
        if self.slices < 1 or self.slices % 2 == 0:
            raise ModelError(f"the number of slices seen together must be odd, not {self.slices}.")
        if self.size < 32:
            raise ModelError(f"the input size must be at least 32 pixels, not {self.size}.")
        if self.spacing is not None and not self.spacing > 0:
            raise ModelError(f"the input spacing must be above 0 mm, not {self.spacing}.")
        if self.normalisation not in get_args(Normalisation):
            raise ModelError(f"the normalisation must be 'unit' or 'percentile', not {self.normalisation!r}.")


@dataclass(frozen=True)
class Calibration:
    """What was learned on validation cases of how far a model's probabilities can be trusted.

    Parameters
    ----------
    temperature : float
        The logits are divided by it (see `temperature_for`); above 1 where the model is too sure of itself.
    temperature_slope : float
        How the temperature depends on the share of a slice that was marked: models are surer of small finds than they
        should be, and less sure of large ones. 0 for one temperature for all.
    cases : int
        Images that it was learned from.
    uncertainty_threshold : float, optional
        The uncertainty from which on a voxel is best called uncertain, range [0, 1]: with it, what is uncertain and
        what is wrong overlap most.
    method, measure, passes
        Which uncertainty that is, see `napari_medfreq.engine.options.SegmentOptions`.
    dice_temperature : float
        Instead of `temperature`, for the expected Dice coefficient alone.
    dice_slope, dice_offset : float
        From the Dice coefficient that the probabilities let expect to that which was found.
    dice_error : float, optional
        Mean absolute difference between the two, each case judged by what the others taught.
    """

    temperature: float
    temperature_slope: float = 0.0
    cases: int = 0
    uncertainty_threshold: float | None = None
    method: str = "dropout"
    measure: str = "entropy"
    passes: int = 0
    dice_temperature: float = 1.0
    dice_slope: float = 1.0
    dice_offset: float = 0.0
    dice_error: float | None = None

    def __post_init__(self) -> None:
        if not 0.01 <= self.temperature <= 100:
            raise ModelError(f"the temperature must lie between 0.01 and 100, not {self.temperature}.")

    def temperature_for(self, share: float) -> float:
        """Return the temperature of a slice of which `share`, range [0, 1], was marked.

        It is ``temperature * max(share, 0.1) ** temperature_slope``. It is one for the whole slice, so the mask stays.
        """
        return float(self.temperature * max(share, _LEAST_SHARE) ** self.temperature_slope)


@dataclass(frozen=True)
class ModelFolder:
    """All that can be known of a model without loading its weights.

    Attributes
    ----------
    path : pathlib.Path
        The folder.
    name, title, version, task : str
        Its name for machines and for people, its version, and what it segments.
    network : dict
        Fields of `napari_medfreq.nn.mmsnet.MMSNetConfig`, or of `napari_medfreq.nn.aegan.AEGANConfig`.
    input : InputSpec
        What it wants to see.
    labels : tuple of LabelName
        What it finds; background is left out. Empty for synthesis.
    sha256 : str
        Hash of the weights file, as ``config.toml`` states it; `verify` compares.
    card : Card
        What it is for and how well it does.
    calibration : Calibration or None
        How far its probabilities can be trusted, where that was measured.
    kind : {"segmentation", "synthesis"}
        Whether it finds labels, or makes the one of its input channels that is missing.
    """

    path: Path
    name: str
    title: str
    version: str
    task: str
    network: dict[str, Any]
    input: InputSpec
    labels: tuple[LabelName, ...]
    card: Card
    sha256: str = ""
    calibration: Calibration | None = None
    kind: ModelKind = "segmentation"

    def __post_init__(self) -> None:
        if self.kind not in get_args(ModelKind):
            raise ModelError(f"a model's kind is {' or '.join(get_args(ModelKind))}, not {self.kind!r}.")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.name):
            raise ModelError(f"a model's name may hold letters, digits, dots and dashes only, not {self.name!r}.")
        if self.kind == "synthesis" and not self.labels:
            return
        if not self.labels or len({label.value for label in self.labels}) != len(self.labels):
            raise ModelError(f"the model {self.name} must name at least one label, each with a value of its own.")

    @property
    def weights(self) -> Path:
        """The weights file."""
        return self.path / WEIGHTS


def parse_config(config: dict[str, Any], path: Path, card: Card) -> ModelFolder:
    """Return the model that the content of its ``config.toml`` describes.

    Raises
    ------
    ModelError
        If an entry is missing, unknown or of the wrong kind, or the format is another; the message names the file.
    """
    where = path / CONFIG
    version = config.pop("format", None)
    if version != FORMAT:
        newer = isinstance(version, int) and version > FORMAT
        remedy = "Update napari-medfreq to use this model." if newer else "Fetch the model again."
        raise ModelError(f"{where}: the format is {version!r}, this release reads format {FORMAT}. {remedy}")
    texts = ("name", "title", "version", "task", "sha256")
    _check_keys(where, "the config", config, {*texts, "network", "input"}, {"calibration", "labels", "kind"})
    for key in texts:
        if not isinstance(config[key], str):
            raise ModelError(f"{where}: {key} must be a text, not {config[key]!r}.")
    try:
        _check_keys(where, "[input]", config["input"], set(), {f.name for f in fields(InputSpec)})
        spec = InputSpec(**config["input"])
        marked = config.get("labels", ())
        for entry in marked:
            _check_keys(where, "[[labels]]", entry, {"value", "name", "colour"})
        labels = tuple(LabelName(**entry) for entry in marked)
        return ModelFolder(
            path=path,
            card=card,
            input=spec,
            labels=labels,
            network=dict(config["network"]),
            calibration=_calibration(config.get("calibration"), where),
            kind=config.get("kind", "segmentation"),
            **{key: config[key] for key in texts},
        )
    except ModelError as error:
        raise error if str(path) in str(error) else ModelError(f"{where}: {error}") from error
    except (TypeError, ValueError) as error:
        raise ModelError(f"{where}: an entry is missing or of the wrong kind: {error}.") from error


def dump_config(model: ModelFolder) -> dict[str, Any]:
    """Return the content of ``config.toml``: the inverse of `parse_config`."""
    config = {key: getattr(model, key) for key in ("name", "title", "version", "task", "sha256")}
    tables: dict[str, Any] = {"input": asdict(model.input), "network": model.network}
    if model.labels:
        tables["labels"] = [asdict(label) for label in model.labels]
    if model.kind != "segmentation":
        config["kind"] = model.kind
    if model.calibration is not None:
        tables["calibration"] = asdict(model.calibration)
    return {"format": FORMAT, **config, **{key: _plain(value) for key, value in tables.items()}}


def _calibration(table: Any, where: Path) -> Calibration | None:
    if table is None:
        return None
    names = {f.name for f in fields(Calibration)}
    _check_keys(where, "[calibration]", table, {"temperature"}, names)
    return Calibration(**table)


def _check_keys(where: Path, part: str, table: Any, required: Set[str], optional: Set[str] = frozenset()) -> None:
    if not isinstance(table, dict):
        raise ModelError(f"{where}: {part} must be a table.")
    if unknown := sorted(set(table) - required - optional):
        raise ModelError(f"{where}: {part} has entries that this release does not know: {', '.join(unknown)}.")
    if missing := sorted(required - set(table)):
        raise ModelError(f"{where}: {part} lacks {', '.join(missing)}.")


def _plain(value: Any) -> Any:
    """Return `value` as TOML knows it: lists for tuples; None and () left out (a missing key means the default)."""
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items() if entry is not None and entry != ()}
    if isinstance(value, (tuple, list)):
        return [_plain(entry) for entry in value]
    return value
