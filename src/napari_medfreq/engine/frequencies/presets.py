"""Gains that users ask for by name: pure functions of a layout, no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_medfreq.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from napari_medfreq.transforms.bands import Band, BandKey


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
    """Return the first scale above the low-pass band whose middle lies in the finest `octaves` octaves."""
    limit = max(band.frequency[1] for band in layout) / 2**octaves
    details = (band for band in layout if band.key.scale > 0)
    return min((band.key.scale for band in details if sum(band.frequency) / 2 >= limit), default=1)


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
    if name not in PRESETS:
        raise InputError(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
    return PRESETS[name](layout)
