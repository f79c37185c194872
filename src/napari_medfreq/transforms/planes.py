"""A transform of images on the slices of a volume, along any of its three axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic

import torch
from torch import Tensor

from napari_medfreq.transforms.bands import B, with_gains
from napari_medfreq.transforms.images import checked_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_medfreq.transforms.bands import Band, BandKey, Transform


@dataclass(frozen=True)
class Planes(Generic[B]):
    """A two-dimensional transform of every slice of a volume, all at once or a few at a time.

    It is itself a transform, of volumes: its coefficients are those of the batch of slices.

    Parameters
    ----------
    transform : Transform
        Of images, shape (..., H, W).
    axis : int
        Which of the last three axes the slices follow one another along: 0, 1 or 2 for D, H or W. A volume of axes
        z, y, x is cut into axial planes by 0, coronal by 1 and sagittal by 2; planes keep the order of the other two.

    Examples
    --------
    >>> import torch
    >>> from napari_medfreq.transforms.dct import DCT2
    >>> coronal = Planes(DCT2(), axis=1)
    >>> volume = torch.rand(20, 30, 40, dtype=torch.float64)
    >>> bool((coronal.inverse(coronal(volume)) - volume).abs().max() < 1e-12)
    True
    """

    transform: Transform[B]
    axis: int = 0

    def __post_init__(self) -> None:
        if self.axis not in (0, 1, 2):
            raise ValueError(f"axis must be 0, 1 or 2 (of a volume's last three axes), not {self.axis}")

    def __call__(self, image: Tensor) -> B:
        """Analyse all slices of the volume `image`, shape (..., D, H, W); coefficients of shape (..., slices, ...)."""
        return self.transform(self._stacked(image))

    def inverse(self, bands: B) -> Tensor:
        """Return the volume whose slices have these coefficients."""
        return self.transform.inverse(bands).movedim(-3, self.axis - 3)

    def layout(self) -> tuple[Band, ...]:
        """Return the bands of the transform of the slices."""
        return self.transform.layout()

    def split(self, bands: B) -> dict[BandKey, Tensor]:
        """Return the coefficients of each band, of all slices."""
        return self.transform.split(bands)

    def join(self, parts: Mapping[BandKey, Tensor], like: B) -> B:
        """Return coefficients made of `parts`; bands that are not among them are taken from `like`."""
        return self.transform.join(parts, like)

    def slices(self, volume: Tensor, at_once: int = 1) -> Iterator[B]:
        """Yield the coefficients of `at_once` slices after the other, so that never more are in memory."""
        for chunk in torch.split(self._stacked(volume), at_once, dim=-3):
            yield self.transform(chunk)

    def with_gains(self, volume: Tensor, gains: Mapping[BandKey, float], at_once: int = 8) -> Tensor:
        """Return `volume` with the bands of its slices multiplied by `gains`, holding `at_once` slices' coefficients.

        The same as `bands.with_gains` of all slices, in less memory.

        Raises
        ------
        ValueError
            If the transform has no such band.
        """
        chunks = torch.split(self._stacked(volume), at_once, dim=-3)
        changed = [with_gains(self.transform, self.transform(chunk), gains) for chunk in chunks]
        return torch.cat(changed, dim=-3).movedim(-3, self.axis - 3)

    def _stacked(self, volume: Tensor) -> Tensor:
        checked_size(volume, 3)
        return volume.movedim(self.axis - 3, -3)
