"""How each kind of volume looks on screen: colours, contrast and blending."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_medfreq.io.models import LabelName

_SAMPLES = 200_000
# Values that a model does not name can be painted too; those beyond are white.
_COLOURS_BESIDES = 31
# Black, so that additive blending leaves the image alone where nothing is found; then rising in lightness throughout.
_PROBABILITY_STOPS = ("#000000", "#173f5f", "#1f7a8c", "#4cc3b0", "#e6fff2")


def image_look(data: npt.NDArray[Any]) -> dict[str, Any]:
    """Return the keywords of a grey image: contrast limits from the 0.5th and 99.5th percentile of a sample.

    The sample keeps a volume of any size from being read whole only to be shown.
    """
    return {"colormap": "gray", "contrast_limits": robust_limits(data)}


def robust_limits(data: npt.NDArray[Any]) -> tuple[float, float]:
    """Return two finite, different numbers between which nearly all of `data` lie."""
    step = max(1, round((data.size / _SAMPLES) ** (1 / max(data.ndim, 1))))
    sample = np.asarray(data[(slice(None, None, step),) * data.ndim], dtype=np.float64)
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(sample, (0.5, 99.5)))
    if high <= low:
        low, high = float(sample.min()), float(sample.max())
    return (low, high) if high > low else (low, low + 1.0)


def probability_look() -> dict[str, Any]:
    """Return the keywords of a map of probabilities in [0, 1]."""
    from napari.utils.colormaps import Colormap
    from napari.utils.colormaps.standardize_color import transform_color

    colours = transform_color(list(_PROBABILITY_STOPS))
    ramp = Colormap(colours, name="medfreq probability")
    return {"colormap": ramp, "blending": "additive", "opacity": 0.6, "contrast_limits": (0.0, 1.0)}


def uncertainty_look() -> dict[str, Any]:
    """Return the keywords of a map of uncertainty in [0, 1]."""
    return {"colormap": "magma", "blending": "additive", "opacity": 0.8, "contrast_limits": (0.0, 1.0)}


def labels_look(names: Sequence[LabelName]) -> dict[str, Any]:
    """Return the keywords of a labels layer in the colours of `names`; other values get napari's colours."""
    import pandas as pd
    from napari.utils.colormaps import DirectLabelColormap, label_colormap

    if not names:
        return {}
    values = np.arange(1, _COLOURS_BESIDES + 1)
    colours: dict[int | None, Any] = dict(zip(values.tolist(), label_colormap(49).map(values), strict=True))
    colours |= {label.value: label.colour for label in names}
    colours |= {0: "transparent", None: "white"}
    table = {"index": [0, *(label.value for label in names)], "label": ["background", *(label.name for label in names)]}
    return {"colormap": DirectLabelColormap(color_dict=colours), "features": pd.DataFrame(table)}
