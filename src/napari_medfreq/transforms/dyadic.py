"""The octave bands of separable transforms: how they are named, ordered and where they lie.

Each scale holds one octave of frequencies along every axis that is high-pass (``H``) and all lower ones along every
axis that is low-pass (``L``). Letters stand in the order x, y, z, as is usual for wavelets: ``LH`` is low-pass along x
and high-pass along y.
"""

from __future__ import annotations

from itertools import product

from napari_medfreq.transforms.bands import Band, BandKey

NYQUIST = 0.5
"""Highest frequency, cycles per sample."""

_ANGLES = {"HL": (-45.0, 45.0), "LH": (45.0, 135.0)}


def directions(dims: int) -> tuple[str, ...]:
    """Return the names of the directions of a scale: ``LH, HL, HH`` of images, ``LLH ... HHH`` of volumes."""
    return tuple("".join(letters) for letters in product("LH", repeat=dims))[1:]


def dyadic_layout(scales: int, dims: int) -> tuple[Band, ...]:
    """Return the bands of a transform with `scales` octaves; ``HH`` and the bands of volumes have no single angle."""
    bands = [Band(BandKey(0, 0), (0.0, NYQUIST / 2**scales), name="L" * dims)]
    for scale in range(1, scales + 1):
        octave = (NYQUIST / 2 ** (scales - scale + 1), NYQUIST / 2 ** (scales - scale))
        bands += [
            Band(BandKey(scale, number), octave, _ANGLES.get(name), name)
            for number, name in enumerate(directions(dims))
        ]
    return tuple(bands)
