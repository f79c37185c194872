"""From options to a transform, and from its bands to cycles per millimetre."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from napari_medfreq.errors import InputError
from napari_medfreq.transforms.block_dct import BlockDCT
from napari_medfreq.transforms.contourlet import Contourlet
from napari_medfreq.transforms.dct import DCT2, DCT3
from napari_medfreq.transforms.fourier import FourierBands
from napari_medfreq.transforms.nonsubsampled import NonsubsampledContourlet
from napari_medfreq.transforms.wavelet import Wavelet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_medfreq.engine.frequencies.options import FrequencyOptions, FrequencyUnit, TransformName
    from napari_medfreq.transforms.bands import Band, BandKey, Transform
    from napari_medfreq.volume import Volume


def transform_for(options: FrequencyOptions, image: Volume) -> Transform[Any]:
    """Return the transform that `options` describe, for images of the dimensions and the spacing of `image`.

    Raises
    ------
    InputError
        If there is no such transform of such an image.
    """
    try:
        return _MAKERS[options.transform](options, image)
    except ValueError as error:
        raise InputError(f"There is no such {options.transform} transform: {error}.") from error


def _contourlet(options: FrequencyOptions, _image: Volume) -> Transform[Any]:
    return Contourlet(options.levels, **_filters(options))


def _nonsubsampled(options: FrequencyOptions, _image: Volume) -> Transform[Any]:
    return NonsubsampledContourlet(options.levels, **_filters(options))


def _filters(options: FrequencyOptions) -> dict[str, Any]:
    chosen = {"pyramid": options.pyramid, "directional": options.directional}
    return {name: value for name, value in chosen.items() if value is not None}


def _wavelet(options: FrequencyOptions, image: Volume) -> Transform[Any]:
    return Wavelet(options.wavelet, options.scales, 3 if len(image.spatial_axes) == 3 else 2)


def _dct(options: FrequencyOptions, image: Volume) -> Transform[Any]:
    return (DCT3 if len(image.spatial_axes) == 3 else DCT2)(options.scales)


def _block_dct(options: FrequencyOptions, _image: Volume) -> Transform[Any]:
    return BlockDCT(options.block)


def _fourier(options: FrequencyOptions, image: Volume) -> Transform[Any]:
    octaves = tuple(nyquist(image) / 2**n for n in range(options.scales, 0, -1))
    return FourierBands(options.edges or octaves, image.spacing, options.transition)


_MAKERS: dict[TransformName, Callable[[FrequencyOptions, Volume], Transform[Any]]] = {
    "contourlet": _contourlet,
    "nonsubsampled": _nonsubsampled,
    "wavelet": _wavelet,
    "dct": _dct,
    "block-dct": _block_dct,
    "fourier": _fourier,
}


def energy_weights(transform: Transform[Any]) -> dict[BandKey, float]:
    """Return what the squared coefficients of each band count for the image; 1 for bands that are left out.

    The bands of a transform that does not decimate are scaled to unit variance of white noise, so each counts by its
    part of the frequency plane.
    """
    if not isinstance(transform, NonsubsampledContourlet):
        return {}
    layout = transform.layout()
    directions = Counter(band.key.scale for band in layout)
    return {
        band.key: 4 * (band.frequency[1] ** 2 - band.frequency[0] ** 2) / directions[band.key.scale] for band in layout
    }


def unit_of(image: Volume) -> FrequencyUnit:
    """Return the unit of frequencies in `image`."""
    return "cycles/mm" if image.calibrated else "cycles/px"


def in_units(transform: Transform[Any], band: Band, spacing: Sequence[float]) -> tuple[float, float]:
    """Return the limits of `band` in cycles per unit of `spacing`; where that differs between axes, of all axes."""
    low, high = band.frequency
    if isinstance(transform, FourierBands):
        return low, high  # it knows the spacing itself
    return low / max(spacing), high / min(spacing)


def nyquist(image: Volume) -> float:
    """Return the highest frequency that the pixels of `image` hold, in the unit of its spacing."""
    return 0.5 / min(image.spacing)
