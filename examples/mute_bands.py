"""Mute bands of an image and say what they held: ``python mute_bands.py IN OUT [SCALE:DIRECTION ...]``.

Without a band it lists them with their energies and mutes the finest scale. Volumes are changed slice by slice.
"""

from __future__ import annotations

import sys

import numpy as np
import torch

from napari_medfreq.io.files import read, write
from napari_medfreq.transforms import BandKey, Contourlet, Planes, energies, radial_spectrum, with_gains


def main(source: str, target: str, *words: str) -> None:
    """Write the first image of `source` without the bands that `words` name to `target`."""
    volume = read(source)[0]
    image = torch.from_numpy(volume.data.astype(np.float32))
    transform = Contourlet(levels=(2, 3))
    finest = max(band.key.scale for band in transform.layout())
    chosen = [BandKey(*map(int, word.split(":"))) for word in words]
    muted = chosen or [band.key for band in transform.layout() if band.key.scale == finest]

    middle = image if len(volume.spatial_axes) == 2 else image[..., image.shape[-3] // 2, :, :]
    energy = energies(transform.split(transform(middle)))
    for band in transform.layout():
        low, high = band.frequency
        angle = "" if band.angle is None else "  {:4.0f} to {:3.0f} degrees".format(*band.angle)
        mark = "muted" if band.key in muted else ""
        print(f"{band.key}  {low:.3f} to {high:.3f} cycles/sample{angle}  energy {energy[band.key]:.3g}  {mark}")

    gains = dict.fromkeys(muted, 0.0)
    planar = len(volume.spatial_axes) == 2
    changed = with_gains(transform, transform(image), gains) if planar else Planes(transform).with_gains(image, gains)

    spacing = volume.spacing[-2:]
    frequencies, before = radial_spectrum(middle, spacing)
    after = radial_spectrum(changed if planar else changed[..., image.shape[-3] // 2, :, :], spacing).power
    half = len(frequencies) // 2
    share = float(after[..., half:].sum() / before[..., half:].sum())
    print(f"above {float(frequencies[half]):.3g} cycles/{volume.units} {share:.0%} of the power is left")

    kept = changed.numpy()
    if np.issubdtype(volume.data.dtype, np.integer):
        limits = np.iinfo(volume.data.dtype)
        kept = kept.round().clip(limits.min, limits.max)
    write(volume.like(kept.astype(volume.data.dtype), axes=volume.axes, channels=volume.channels), target)


if __name__ == "__main__":
    main(*sys.argv[1:])
