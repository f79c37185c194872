"""How bands and their gains are written on the command line: ``1:2,5``, ``2``, ``2:0-3=1.5``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_medfreq.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_medfreq.transforms.bands import Band, BandKey

_WORD = re.compile(r"(\d+)(?::(\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*))?")


def bands_named(word: str, layout: Sequence[Band]) -> list[BandKey]:
    """Return the bands that `word` names, in the order of `layout`.

    Parameters
    ----------
    word : str
        A scale and, after a colon, its directions: ``1:2,5`` or ``1:0-3``; a scale alone means all of its directions.
    layout : sequence of Band
        The bands there are.

    Raises
    ------
    InputError
        If it cannot be understood, or there is no such band.
    """
    match = _WORD.fullmatch(word.strip())
    if match is None:
        raise InputError(
            f"{word!r} names no band. Write scale:directions, such as 1:2,5 or 1:0-3, or a scale alone: 1."
        )
    scale = int(match[1])
    there = [band.key for band in layout if band.key.scale == scale]
    if not there:
        highest = max(band.key.scale for band in layout)
        raise InputError(f"{word!r}: there is no scale {scale}. The scales are 0 (low-pass) to {highest}.")
    if match[2] is None:
        return there
    wanted: set[int] = set()
    for part in match[2].split(","):
        first, _, last = part.partition("-")
        wanted.update(range(int(first), int(last or first) + 1))
    if missing := sorted(wanted - {key.direction for key in there}):
        raise InputError(
            f"{word!r}: scale {scale} has no direction {', '.join(map(str, missing))}. Its directions are 0 to "
            f"{len(there) - 1}."
        )
    return [key for key in there if key.direction in wanted]


def gain_named(word: str, layout: Sequence[Band]) -> dict[BandKey, float]:
    """Return the gains that `word` gives: bands and, after an equals sign, a number (``2:0=1.5``).

    Raises
    ------
    InputError
        If it cannot be understood, or there is no such band.
    """
    bands, _, number = word.partition("=")
    try:
        gain = float(number)
    except ValueError:
        raise InputError(f"{word!r} states no gain. Write bands=gain, such as 2:0=1.5 or 2=1.5.") from None
    if not abs(gain) <= 1e6:
        raise InputError(f"{word!r}: the gain must be a number of at most a million, not {number}.")
    return dict.fromkeys(bands_named(bands, layout), gain)
