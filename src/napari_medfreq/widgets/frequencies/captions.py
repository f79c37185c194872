"""What a band is called, in the words and units of its image."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_medfreq.engine.frequencies.options import TransformName
    from napari_medfreq.engine.frequencies.results import Analysis, BandMeasure
    from napari_medfreq.transforms.bands import Band
    from napari_medfreq.widgets.frequencies.regions import Shape


def shape_of_bands(transform: TransformName) -> Shape:
    """Return how the bands of a transform tile the plane of frequencies."""
    return "rings" if transform == "fourier" else "squares"


def direction_text(band: Band) -> str:
    """Return the direction of a band in degrees, its middle and half width; empty where it has none."""
    if band.angle is None:
        return ""
    first, last = band.angle
    return f"{(first + last) / 2:.0f}° ± {(last - first) / 2:.0f}°"


def frequency_text(limits: tuple[float, float], unit: str) -> str:
    """Return limits of frequency with their unit."""
    low, high = limits
    return f"up to {high:.3g} {unit}" if low <= 0 else f"{low:.3g} to {high:.3g} {unit}"


def wavelength_text(limits: tuple[float, float], unit: str) -> str:
    """Return the wavelengths of limits of frequency, short to long."""
    low, high = limits
    length = unit.rpartition("/")[2]
    if high <= 0:
        return ""
    return f"over {1 / high:.3g} {length}" if low <= 0 else f"{1 / high:.3g} to {1 / low:.3g} {length}"


def band_name(band: Band) -> str:
    """Return the short name of a band: its key, and what the field calls it."""
    name = "low-pass" if band.key.scale == 0 and not band.name.startswith("(") else band.name
    return f"{band.key}" + (f" {name}" if name and name != str(band.key) else "")


def share_text(share: float) -> str:
    """Return a part of a whole in per cent."""
    if not isfinite(share):
        return "–"
    return f"{100 * share:.2g} %" if 0.0001 <= share < 0.995 or share == 0 else f"{100 * share:.4g} %"


def short_text(measure: BandMeasure, unit: str) -> str:
    """Return one line about a band."""
    parts = (f"Band {band_name(measure.band)}", direction_text(measure.band), frequency_text(measure.frequency, unit))
    return " · ".join(part for part in parts if part)


def tip_text(measure: BandMeasure, analysis: Analysis, gain: str) -> str:
    """Return all that is to be said about a band, a line each."""
    band, unit = measure.band, analysis.unit
    detail = analysis.detail_shares.get(band.key)
    lines = [f"Band {band_name(band)}: {gain}"]
    if direction_text(band):
        lines.append(f"Direction across the stripes: {direction_text(band)} (0° →, 90° ↓)")
    lines.append(f"Frequency: {frequency_text(measure.frequency, unit)}")
    lines.append(f"Wavelength: {wavelength_text(measure.frequency, unit)}")
    lines.append(f"Energy: {measure.energy:.3g}, {share_text(measure.share)} of all")
    if detail is not None:
        lines.append(f"{share_text(detail)} of all but the low-pass band")
    lines.append(f"Root mean square: {measure.rms:.3g}, {measure.count:,} coefficients")
    return "\n".join(lines)
