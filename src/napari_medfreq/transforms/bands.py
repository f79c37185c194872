"""What the transforms share: bands that can be listed, measured, weighed and put back together.

No torch is imported here, so that the viewer's process can read what a band is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

B = TypeVar("B")


class BandKey(NamedTuple):
    """Which band: written ``scale:direction``, as on the command line."""

    scale: int
    """0 is the low-pass band, 1 the coarsest detail, and so on to the finest."""
    direction: int
    """Counts from 0 by rising angle; 0 where a scale has one band only."""

    def __str__(self) -> str:
        return f"{self.scale}:{self.direction}"


@dataclass(frozen=True)
class Band:
    """One band of a transform.

    Parameters
    ----------
    key : BandKey
        Which one.
    frequency : tuple of float
        Lower and upper limit, cycles per sample: of the larger of the two frequencies where the bands tile squares
        (contourlets, wavelets, DCT), of the radial frequency where they tile rings.
    angle : tuple of float, optional
        First and last direction in the frequency plane, degrees from its +x axis to its +y axis (down the rows), within
        [-45, 135]: of a pattern of stripes the direction across them. None where the band holds all directions.
    name : str
        What the field calls it, where it has a name of its own (``LH``, ``(2, 3)``).
    """

    key: BandKey
    frequency: tuple[float, float]
    angle: tuple[float, float] | None = None
    name: str = ""


class Transform(Protocol[B]):
    """A transform of images (or volumes) with an exact inverse; `B` is the type of its coefficients."""

    def __call__(self, image: Tensor) -> B:
        """Analyse `image`, shape (..., H, W) or (..., D, H, W), float32 or float64."""

    def inverse(self, bands: B) -> Tensor:
        """Return the image that has these coefficients."""

    def layout(self) -> tuple[Band, ...]:
        """Return all bands, scale by scale and direction by direction."""

    def split(self, bands: B) -> dict[BandKey, Tensor]:
        """Return the coefficients of each band, in the order of `layout`; they share memory with `bands`."""

    def join(self, parts: Mapping[BandKey, Tensor], like: B) -> B:
        """Return coefficients made of `parts`; bands that are not among them are taken from `like`."""


def energies(parts: Mapping[BandKey, Tensor]) -> dict[BandKey, float]:
    """Return the energy of each band: the sum of the squared coefficients."""
    return {key: float(part.detach().double().square().sum()) for key, part in parts.items()}


def with_gains(transform: Transform[B], bands: B, gains: Mapping[BandKey, float]) -> Tensor:
    """Return the image whose bands are multiplied by `gains`; bands without a gain stay as they are.

    Raises
    ------
    ValueError
        If the transform has no such band.
    """
    parts = transform.split(bands)
    if unknown := sorted(key for key in gains if key not in parts):
        raise ValueError(f"there is no band {', '.join(map(str, unknown))}; there are {', '.join(map(str, parts))}")
    return transform.inverse(transform.join({key: parts[key] * gain for key, gain in gains.items()}, bands))
