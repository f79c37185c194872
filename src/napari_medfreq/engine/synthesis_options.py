"""What can be asked of a synthesis, and what comes back. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from napari_medfreq.errors import InputError

if TYPE_CHECKING:
    from napari_medfreq.volume import Volume

SYNTHETIC = "SYNTHETIC"
"""The word that the name, the header and the record of every synthesised volume hold."""


@dataclass(frozen=True)
class SynthesisOptions:
    """How to make the missing contrast.

    Parameters
    ----------
    target : str, optional
        The contrast to make; by default the one that is missing. One that is given is made anew from the others.
    top : float
        The intensity that twice the 95 percentile of the target is given: MR has no unit, so one must be stated.
    device : str
        ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
    precision : {"auto", "float32", "bfloat16"}
        What the network computes in.
    batch : int
        Planes made together; less memory with fewer.

    Raises
    ------
    InputError
        If a number is out of range.
    """

    target: str | None = None
    top: float = 1000.0
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    batch: int = 4

    def __post_init__(self) -> None:
        if not 0 < self.top < float("inf"):
            raise InputError(f"the intensity of the brightest voxels must be above 0, not {self.top}.")
        if self.batch < 1:
            raise InputError(f"at least one plane must be made at a time, not {self.batch}.")


@dataclass(frozen=True)
class SyntheticContrast:
    """The result.

    Attributes
    ----------
    volume : Volume
        float32, on the grid of the first contrast offered (same shape, affine and orientation); 0 is no signal,
        `SynthesisOptions.top` twice the 95 percentile of the target. Named and described as synthetic.
    target : str
        The contrast that was made.
    inputs : tuple of str
        The contrasts it was made from.
    provenance : dict
        Model, hash, options, versions, device, seconds, intensity rule and notes. JSON-serialisable.
    """

    volume: Volume
    target: str
    inputs: tuple[str, ...]
    provenance: dict[str, Any] = field(default_factory=dict)
