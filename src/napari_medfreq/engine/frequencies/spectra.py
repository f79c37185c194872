"""Radial power spectra of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_medfreq.engine.frequencies.options import FrequencyOptions
from napari_medfreq.engine.frequencies.pieces import piece_count, pieces
from napari_medfreq.engine.frequencies.pixels import checked, to_pixels
from napari_medfreq.engine.frequencies.results import Spectrum
from napari_medfreq.engine.frequencies.transforms import unit_of
from napari_medfreq.errors import InputError
from napari_medfreq.transforms.fourier import radial_spectrum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_medfreq.engine.anatomy import Plane
    from napari_medfreq.engine.options import Sink
    from napari_medfreq.volume import Volume


def spectra(volumes: Sequence[Volume], plane: Plane, sink: Sink) -> tuple[Spectrum, ...]:
    """Return the radial power spectrum of each of `volumes`, the mean over its planes and channels.

    Raises
    ------
    InputError
        If one of them is no image of real numbers, or its planes are one pixel thin.
    Cancelled
        From ``sink.check``.
    """
    options = FrequencyOptions(plane=plane)
    images = [checked(volume) for volume in volumes]
    total = sum(piece_count(image, options) for image in images)
    done, found = 0, []
    for image in images:
        power: Tensor | None = None
        for piece in pieces(image, options):
            sink.check()
            shape = piece.image.spatial_shape
            if min(shape) < 2:
                raise InputError(
                    f"{image.name} is one pixel thin here ({shape[0]} x {shape[1]}). Choose another plane."
                )
            with torch.inference_mode():
                spectrum = radial_spectrum(to_pixels(piece.image).values, piece.image.spacing)
            mean = spectrum.power.double().reshape(-1, spectrum.power.shape[-1]).mean(0)
            power = mean if power is None else power + mean
            done += 1
            sink.progress(done, total, f"spectrum of {image.name}")
        if power is not None:
            frequency = spectrum.frequencies.double().numpy()
            mean_power = (power / piece_count(image, options)).numpy()
            found.append(Spectrum(image.name, frequency, mean_power, unit_of(image)))
    return tuple(found)
