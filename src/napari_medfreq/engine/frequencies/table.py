"""What each band holds, as rows for a table or a file: no torch."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_medfreq.engine.frequencies.options import Gains
    from napari_medfreq.engine.frequencies.results import Analysis


def band_rows(analysis: Analysis, gains: Gains | None = None) -> list[dict[str, Any]]:
    """Return what each band holds, and its gain, as what JSON knows; names of columns state the units."""
    unit = analysis.unit.replace("/", "_per_")
    rows = []
    for measure in analysis.bands:
        band = measure.band
        first, last = band.angle or (None, None)
        rows.append(
            {
                "band": str(band.key),
                "scale": band.key.scale,
                "direction": band.key.direction,
                "name": band.name,
                "degrees_from": first,
                "degrees_to": last,
                f"{unit}_from": measure.frequency[0],
                f"{unit}_to": measure.frequency[1],
                "energy": measure.energy,
                "share": measure.share,
                "rms": measure.rms,
                "coefficients": measure.count,
                "gain": (gains or {}).get(band.key, 1.0),
            }
        )
    return rows


def bands_csv(analysis: Analysis, gains: Gains | None = None) -> str:
    """Return `band_rows` as CSV with a header, with all digits; what a band does not have is left empty."""
    rows = band_rows(analysis, gains)
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
