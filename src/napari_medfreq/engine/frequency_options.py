"""What can be asked about the frequencies of an image, and what comes back: plain data, no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import nan, sqrt
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from napari_medfreq.engine.anatomy import PLANES, Plane
from napari_medfreq.errors import InputError
from napari_medfreq.transforms.bands import Band, BandKey

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_medfreq.volume import Volume

__all__ = [
    "PRESETS",
    "Analysis",
    "Band",
    "BandImage",
    "BandKey",
    "BandMeasure",
    "BandNeed",
    "CoefficientVote",
    "FrequencyOptions",
    "Gains",
    "Listening",
    "Needs",
    "PromptBand",
    "Spectrum",
    "TransformName",
    "preset_gains",
    "solo_gains",
]

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
        Contourlets: directional levels of each scale, coarse to fine, 0 to 6: ``2**level`` directions, and none for 0
        (1 only where the contourlet is subsampled).
    pyramid, directional : str, optional
        Contourlets: filter of the pyramid (``meyer``, ``9-7``, ``5-3``, ``haar``; non-subsampled: ``pkva``, ``9-7``,
        ``5-3``, ``haar``) and of the directions (``meyer``, ``pkva``, ``haar``; non-subsampled: ``pkva``, ``haar``); by
        default the transform's own, which is the first of these.
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
        Number of its coefficients.
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


def solo_gains(layout: Sequence[Band], keys: Iterable[BandKey]) -> dict[BandKey, float]:
    """Return gains that mute all bands but `keys`."""
    kept = set(keys)
    return {band.key: 0.0 for band in layout if band.key not in kept}


def _low_pass_only(layout: Sequence[Band]) -> dict[BandKey, float]:
    return {band.key: 0.0 for band in layout if band.key.scale > 0}


def _no_low_pass(layout: Sequence[Band]) -> dict[BandKey, float]:
    return {band.key: 0.0 for band in layout if band.key.scale == 0}


def _edges_only(layout: Sequence[Band]) -> dict[BandKey, float]:
    from_scale = _finest(layout, 2)
    return {band.key: 0.0 for band in layout if band.key.scale < from_scale}


def _denoise(layout: Sequence[Band]) -> dict[BandKey, float]:
    from_scale = _finest(layout, 1)
    return {band.key: 0.0 for band in layout if band.key.scale >= from_scale}


def _sharpen(layout: Sequence[Band]) -> dict[BandKey, float]:
    from_scale = _finest(layout, 2)
    return {band.key: 2.0 for band in layout if band.key.scale >= from_scale}


def _finest(layout: Sequence[Band], octaves: int) -> int:
    """Return the first scale above the low-pass band that reaches into the finest `octaves` octaves."""
    highest = max(band.frequency[1] for band in layout)
    # Half an octave of slack: filters overlap, and bands may be narrower than an octave.
    limit = highest / 2**octaves * sqrt(2)
    reaching = [band.key.scale for band in layout if band.key.scale > 0 and band.frequency[1] > limit]
    return min(reaching, default=1)


PRESETS: dict[str, Callable[[Sequence[Band]], dict[BandKey, float]]] = {
    "As it is": lambda _layout: {},
    "No low-pass": _no_low_pass,
    "Low-pass only": _low_pass_only,
    "Edges only": _edges_only,
    "Denoise": _denoise,
    "Sharpen": _sharpen,
}
"""By name: from a layout to gains. Edges are the two finest octaves, noise the finest one."""


def preset_gains(name: str, layout: Sequence[Band]) -> dict[BandKey, float]:
    """Return the gains of the preset `name`, one of `PRESETS`; bands without an entry stay as they are.

    Raises
    ------
    InputError
        If there is no such preset.
    """
    _one_of("preset", name, tuple(PRESETS))
    return PRESETS[name](layout)


def shares(energies: Mapping[BandKey, float]) -> dict[BandKey, float]:
    """Return each band's part of the sum; not a number where an energy is none, 0 where all are 0."""
    total = sum(energies.values())
    return {key: energy / total if total > 0 else (nan if total != total else 0.0) for key, energy in energies.items()}


def _one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise InputError(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")
