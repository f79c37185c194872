"""How to look at the frequencies of an image: plain data, no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from napari_medfreq.engine.anatomy import PLANES, Plane
from napari_medfreq.errors import InputError
from napari_medfreq.transforms.bands import Band, BandKey

__all__ = ["Band", "BandKey", "Form", "FrequencyOptions", "FrequencyUnit", "Gains", "Scope", "TransformName"]

TransformName = Literal["contourlet", "nonsubsampled", "wavelet", "dct", "block-dct", "fourier"]
Scope = Literal["slice", "volume"]
Form = Literal["coefficients", "component"]
FrequencyUnit = Literal["cycles/mm", "cycles/px"]
Gains: TypeAlias = Mapping[BandKey, float]
"""What each band is multiplied by: 0 mutes it, 1 (or no entry) leaves it as it is."""

_VOLUME_TRANSFORMS = ("wavelet", "dct", "fourier")


@dataclass(frozen=True)
class FrequencyOptions:
    """Which transform to look through.

    Parameters
    ----------
    transform : str
        ``contourlet``, ``nonsubsampled`` (contourlet), ``wavelet``, ``dct`` (global), ``block-dct`` or ``fourier``.
    levels : tuple of int
        Contourlets: directional levels of each scale, coarse to fine, 0 to 6: ``2**level`` directions, and none for 0.
    pyramid, directional : str, optional
        Contourlets: filter of the pyramid (``meyer``, ``9-7``, ``5-3``, ``haar``) and of the directions (``meyer``,
        ``pkva``, ``haar``); by default the transform's own, which is the first of these.
    scales : int
        Wavelet: how often the image is halved. Global DCT and Fourier: how many octaves lie above the low-pass band.
    wavelet : str
        A wavelet of PyWavelets; ``bior4.4`` is the 9-7 pair.
    block : int
        Block DCT: side of the blocks, 4 to 64.
    edges : tuple of float
        Fourier: limits between the bands, rising, in cycles per mm (per pixel where the image states no voxel size);
        empty for octaves below the Nyquist frequency of the finest axis.
    transition : float
        Fourier: width of the transitions between bands, in octaves; 0 for hard edges, which part the energy exactly but
        ring beside edges in the image.
    scope : {"slice", "volume"}
        How a 3D volume is transformed: plane by plane (``slice``), or in three dimensions (``volume``), which
        ``wavelet``, ``dct`` and ``fourier`` can. Of no meaning for 2D.
    plane : {"axial", "coronal", "sagittal"}
        Plane by plane: which planes; of a volume without voxel size those across its first, second and third axis.

    Raises
    ------
    InputError
        If a value cannot be.
    """

    transform: TransformName = "contourlet"
    levels: tuple[int, ...] = (3, 3, 4)
    pyramid: str | None = None
    directional: str | None = None
    scales: int = 3
    wavelet: str = "bior4.4"
    block: int = 8
    edges: tuple[float, ...] = ()
    transition: float = 0.0
    scope: Scope = "slice"
    plane: Plane = "axial"

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(self.levels))
        object.__setattr__(self, "edges", tuple(self.edges))
        _one_of("transform", self.transform, get_args(TransformName))
        _one_of("scope", self.scope, get_args(Scope))
        _one_of("plane", self.plane, PLANES)
        if not self.levels or len(self.levels) > 8 or any(level not in range(7) for level in self.levels):
            raise InputError(f"levels must be 0 to 6 for each of one to eight scales, not {list(self.levels)}.")
        if not 1 <= self.scales <= 8:
            raise InputError(f"scales must lie between 1 and 8, not {self.scales}.")
        if not 4 <= self.block <= 64:
            raise InputError(f"block must lie between 4 and 64 pixels, not {self.block}.")
        if any(not edge > 0 for edge in self.edges) or list(self.edges) != sorted(set(self.edges)):
            raise InputError(f"edges must be positive and rising, not {list(self.edges)}.")
        if self.scope == "volume" and self.transform not in _VOLUME_TRANSFORMS:
            raise InputError(
                f"There is no {self.transform} transform of whole volumes; go plane by plane, or choose one of "
                f"{', '.join(_VOLUME_TRANSFORMS)}."
            )


def _one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise InputError(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")
