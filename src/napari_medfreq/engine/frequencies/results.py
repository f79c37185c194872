"""What is found about the frequencies of an image: plain data, no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import nan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from napari_medfreq.engine.frequencies.options import Form, FrequencyOptions, FrequencyUnit
    from napari_medfreq.transforms.bands import Band, BandKey
    from napari_medfreq.volume import Volume


@dataclass(frozen=True)
class BandMeasure:
    """What one band holds of an image.

    Attributes
    ----------
    band : Band
        Which band, as the transform describes it.
    frequency : tuple of float
        Lower and upper limit of its frequencies in the unit of the `Analysis`. Where voxels are not cubes the range
        covers all axes.
    energy : float
        What it holds of the sum of the squared pixels, over all channels and planes: the sum of its squared
        coefficients, divided by its redundancy where the transform does not decimate.
    share : float
        Its part of the energy of all bands, 0 to 1.
    rms : float
        Root of the mean squared coefficient: does not grow with the image, so bands of any size compare.
    count : int
        Number of its coefficients, without those that belong to the continuation of the image beyond its edges.
    """

    band: Band
    frequency: tuple[float, float]
    energy: float
    share: float
    rms: float
    count: int

    @property
    def key(self) -> BandKey:
        """Key of the band."""
        return self.band.key


@dataclass(frozen=True)
class Analysis:
    """What each band of an image holds.

    Attributes
    ----------
    options : FrequencyOptions
        As they were asked for.
    bands : tuple of BandMeasure
        In the order of the transform's layout: the low-pass band first, then scale by scale from coarse to fine, each
        by rising angle.
    unit : {"cycles/mm", "cycles/px"}
        Of the frequencies.
    nyquist : float
        The highest frequency that the voxels can hold (along the finest axis), in `unit`.
    """

    options: FrequencyOptions
    bands: tuple[BandMeasure, ...]
    unit: FrequencyUnit
    nyquist: float

    @property
    def layout(self) -> tuple[Band, ...]:
        """All bands, without what they hold."""
        return tuple(measure.band for measure in self.bands)

    @property
    def detail_shares(self) -> dict[BandKey, float]:
        """Of each band but the low-pass band, its part of their energy; all 0 where there is none (constant image)."""
        details = {measure.key: measure.energy for measure in self.bands if measure.key.scale > 0}
        total = sum(details.values())
        return {key: energy / total if total > 0 else 0.0 for key, energy in details.items()}


@dataclass(frozen=True, eq=False)
class BandImage:
    """One band as an image that lies where it belongs.

    Attributes
    ----------
    key : BandKey
        Which band.
    form : {"coefficients", "component"}
        What the numbers are: see `BandsRequest`.
    image : Volume
        float32, signed, in units of the image. The affine of decimated coefficients has larger voxels and lies on the
        source.
    """

    key: BandKey
    form: Form
    image: Volume


@dataclass(frozen=True, eq=False)
class Coefficients:
    """All numbers of a transform, as the inverse takes them: nothing is cropped.

    Attributes
    ----------
    options : FrequencyOptions
        As they were asked for.
    layout : tuple of Band
        The bands.
    parts : dict
        Of each band its coefficients, float32, on axes of their own after those of the image that are not transformed
        (channels, frames, planes).
    shape : tuple of int
        Of the image.
    """

    options: FrequencyOptions
    layout: tuple[Band, ...]
    parts: dict[BandKey, npt.NDArray[np.float32]]
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The radial power spectrum of one image.

    Attributes
    ----------
    name : str
        Of the image.
    frequency : numpy.ndarray, shape (N,), float64
        Centres of the rings, rising, in `unit`; the mean of the image (frequency 0) is left out.
    power : numpy.ndarray, shape (N,), float64
        Mean power spectral density in each ring, in squared units of the image times mm² (px² where not calibrated), of
        the image less its mean, tapered by a Hann window; of planes and channels the mean.
    unit : {"cycles/mm", "cycles/px"}
        Of `frequency`.
    """

    name: str
    frequency: npt.NDArray[np.float64]
    power: npt.NDArray[np.float64]
    unit: FrequencyUnit


@dataclass(frozen=True)
class CoefficientVote:
    """How much one DCT coefficient decides in one place of MSFG's channel attention.

    Attributes
    ----------
    stride : int
        Pixels of the model's input for one of the decoder's level: 4, 8, 16 or 32.
    scale : int
        Scale of MSFG within that level, from 1.
    coefficient : tuple of int
        Vertical and horizontal index (u, v) on the grid of coefficients.
    frequency : tuple of float
        Vertical and horizontal frequency of the coefficient in the image, in the unit of the `Listening`.
    weight : float
        What the model has learned to give it: 0 to 1, the weights of one level and scale add up to 1. The same for
        every image.
    share : float
        Its part of the attention for this image, 0 to 1: ``a_k mean_c |v_kc|`` over its sum, with the weight ``a_k``
        and the logit ``v_kc`` that the coefficient votes for in channel ``c``. Adds up to 1 as well.
    """

    stride: int
    scale: int
    coefficient: tuple[int, int]
    frequency: tuple[float, float]
    weight: float
    share: float


@dataclass(frozen=True)
class PromptBand:
    """How much one band of the frequency prompt (FEP) gives to the first stage of the encoder.

    Attributes
    ----------
    band : Band
        Of the prompt's contourlet, on the grid of the model.
    frequency : tuple of float
        Lower and upper limit in the unit of the `Listening`.
    energy : float
        Of the band in the image that the model sees (luminance, range 0 to 1).
    weight : float
        Norm of what the model has learned to multiply it with, over the sum of all bands.
    share : float
        Root mean square of what it adds to the features for this image, over the sum of all bands.
    """

    band: Band
    frequency: tuple[float, float]
    energy: float
    weight: float
    share: float


@dataclass(frozen=True)
class Listening:
    """What the model listens to in one plane.

    Attributes
    ----------
    model : str
        Its title.
    votes : tuple of CoefficientVote
        Level by level (fine to coarse), scale by scale, coefficient by coefficient; empty where the model has no MSFG.
    prompt : tuple of PromptBand
        In the order of the layout, without the low-pass band, which the prompt leaves out; empty where the model has no
        contourlet prompt.
    unit : {"cycles/mm", "cycles/px"}
        Of the frequencies.
    """

    model: str
    votes: tuple[CoefficientVote, ...]
    prompt: tuple[PromptBand, ...]
    unit: FrequencyUnit


@dataclass(frozen=True)
class BandNeed:
    """What becomes of the mask when one band is muted.

    Attributes
    ----------
    key : BandKey
        The muted band.
    dice : float
        Between the mask of the untouched plane and the mask without this band, the mean over the labels that occur in
        either; 1 where both are empty.
    pixels : int
        Foreground of the mask without this band.
    """

    key: BandKey
    dice: float
    pixels: int


@dataclass(frozen=True)
class Needs:
    """What the model needs to find what it finds in one plane.

    Attributes
    ----------
    model : str
        Its title.
    bands : tuple of BandNeed
        In the order of the layout.
    layout : tuple of Band
        The bands.
    mask : Volume
        uint8, the plane's mask with all bands.
    """

    model: str
    bands: tuple[BandNeed, ...]
    layout: tuple[Band, ...]
    mask: Volume = field(compare=False)

    @property
    def pixels(self) -> int:
        """Foreground of the mask with all bands; where it is 0 there is nothing to need."""
        return int((self.mask.data > 0).sum())


def shares(energies: Mapping[BandKey, float]) -> dict[BandKey, float]:
    """Return each band's part of the sum; not a number where an energy is none, 0 where all are 0."""
    total = sum(energies.values())
    return {key: energy / total if total > 0 else (nan if total != total else 0.0) for key, energy in energies.items()}
