"""What a model needs: what becomes of its mask when it has to do without a band."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_medfreq.engine.frequencies.results import BandNeed, Needs

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_medfreq.engine.frequencies.analysis import Frequencies
    from napari_medfreq.engine.frequencies.model_plane import ModelPlane
    from napari_medfreq.engine.frequencies.options import BandKey, FrequencyOptions
    from napari_medfreq.engine.options import Sink
    from napari_medfreq.volume import Volume


def needs(
    plane: ModelPlane,
    place: Volume,
    frequencies: Frequencies,
    options: FrequencyOptions,
    sink: Sink,
    keys: Sequence[BandKey] = (),
) -> Needs:
    """Return the Dice of the mask of `plane` as each band is muted in it and its neighbours.

    Parameters
    ----------
    plane : ModelPlane
        The plane and its model.
    place : Volume
        The plane where it lies, for the mask.
    frequencies : Frequencies
        Who mutes.
    options : FrequencyOptions
        Which bands there are.
    sink : Sink
        Asked for the array ``dice`` and told of each entry; heard between two bands whether to go on.
    keys : sequence of BandKey
        Only these bands; by default all.

    Raises
    ------
    InputError
        If there is no such band.
    """
    layout = frequencies.layout(plane.stack, options)
    wanted = frequencies.select(layout, keys) if keys else layout
    known = sink.allocate("dice", (len(wanted),), "float64")
    known[:] = np.nan
    sink.progress(0, len(wanted) + 1, "the untouched image")
    whole = plane.mask(plane.images(), sink)
    if not whole.any():
        sink.note(f"{plane.segmenter.folder.title} finds nothing in this plane of {plane.stack.name}.")
    found = []
    for i, band in enumerate(wanted):
        sink.check()
        sink.progress(i + 1, len(wanted) + 1, f"without band {band.key}")
        changed = frequencies.filtered(plane.stack, options, {band.key: 0.0}, sink)
        mask = plane.mask(plane.images(changed.data), sink)
        need = BandNeed(band.key, mean_dice(whole, mask), int(np.count_nonzero(mask)))
        known[i] = need.dice
        sink.partial("dice", ((i, i + 1),))
        found.append(need)
    sink.progress(len(wanted) + 1, len(wanted) + 1, "done")
    mask_volume = place.like(whole, axes="yx", kind="labels", name=f"{place.name} · {plane.segmenter.folder.title}")
    return Needs(plane.segmenter.folder.title, tuple(found), tuple(wanted), mask_volume)


def mean_dice(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    """Return ``2 |A and B| / (|A| + |B|)``, the mean over the labels that occur in either mask; 1 if none does."""
    labels = sorted({*np.unique(one).tolist(), *np.unique(other).tolist()} - {0})
    if not labels:
        return 1.0
    scores = []
    for label in labels:
        a, b = one == label, other == label
        scores.append(2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b)))
    return float(np.mean(scores))
