"""From a number for each band to a colour, and the bar that says which is which."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from math import ceil, floor, isfinite, log10
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtGui import QColor, QLinearGradient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_medfreq.transforms.bands import BandKey

_STEPS = 32
_SHADES = 255
_DARKEST = 0.1
_MOST_DECADES = 8
_MOST_TICKS = 5


@dataclass(frozen=True)
class BandColours:
    """Numbers of bands, and how they are coloured.

    Parameters
    ----------
    values : mapping from BandKey to float
        One number for each band; bands without one are left grey.
    title : str
        What the numbers are.
    unit : str
        Of what they are.
    logarithmic : bool
        Whether equal factors make equal steps of colour; numbers below or at 0 then get the darkest.
    colormap : str
        A colormap of napari, rising in lightness.
    limits : tuple of float, optional
        First and last number of the bar; by default those of `values`, of a logarithmic bar at most eight decades.
    """

    values: Mapping[BandKey, float] = field(default_factory=dict)
    title: str = ""
    unit: str = ""
    logarithmic: bool = True
    colormap: str = "inferno"
    limits: tuple[float, float] | None = None

    def span(self) -> tuple[float, float]:
        """Return the first and the last number of the bar."""
        if self.limits is not None:
            return self.limits
        numbers = [v for v in self.values.values() if isfinite(v) and (v > 0 or not self.logarithmic)]
        if not numbers:
            return 1.0, 10.0
        low, high = min(numbers), max(numbers)
        if self.logarithmic:
            low = max(low, high / 10**_MOST_DECADES)
            return (low, high) if high > low * 1.001 else (low / 2, high * 2)
        return (low, high) if high > low else (low - 0.5, high + 0.5)

    def fraction(self, value: float) -> float:
        """Return how far up the bar `value` is, 0 to 1."""
        low, high = self.span()
        if self.logarithmic:
            value, low, high = log10(max(value, low)), log10(low), log10(high)
        return min(max((value - low) / (high - low), 0.0), 1.0)

    def colour(self, key: BandKey) -> QColor | None:
        """Return the colour of the band `key`, or None where it has no number."""
        value = self.values.get(key)
        return None if value is None or not isfinite(value) else self.at(self.fraction(value))

    def at(self, fraction: float) -> QColor:
        """Return the colour `fraction` of the way up the bar."""
        return QColor(*_table(self.colormap)[round(fraction * _SHADES)])

    def gradient(self, top: float, bottom: float) -> QLinearGradient:
        """Return the bar as a brush from `bottom` (lowest) to `top`."""
        gradient = QLinearGradient(0, bottom, 0, top)
        for step in range(_STEPS + 1):
            gradient.setColorAt(step / _STEPS, self.at(step / _STEPS))
        return gradient

    def ticks(self) -> list[tuple[float, str]]:
        """Return where the bar is marked, 0 to 1, and with what."""
        low, high = self.span()
        if not self.logarithmic:
            return [(part, f"{low + part * (high - low):.2g}") for part in (0.0, 0.5, 1.0)]
        first, last = ceil(log10(low) - 1e-9), floor(log10(high) + 1e-9)
        if last - first < 1:
            return [(0.0, f"{low:.2g}"), (1.0, f"{high:.2g}")]
        stride = ceil((last - first + 1) / _MOST_TICKS)
        return [(self.fraction(10.0**power), _power(power)) for power in range(first, last + 1, stride)]


@cache
def _table(colormap: str) -> list[list[int]]:
    """Return red, green and blue of each shade, 0 to 255; the darkest could not be told from the background."""
    from napari.utils.colormaps import ensure_colormap

    shades = ensure_colormap(colormap).map(np.linspace(_DARKEST, 1, _SHADES + 1))[:, :3]
    table: list[list[int]] = np.rint(255 * shades).astype(int).tolist()
    return table


def _power(power: int) -> str:
    if -2 <= power <= 3:
        return f"{10.0**power:g}"
    return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
