"""Bands as images that lie where they belong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_medfreq.engine.anatomy import PLANES, plane_count
from napari_medfreq.engine.frequencies.analysis import analyse, check_room
from napari_medfreq.engine.frequencies.lattices import lattice_of
from napari_medfreq.engine.frequencies.pieces import in_three_dimensions, piece_count, pieces, view_of
from napari_medfreq.engine.frequencies.pixels import checked
from napari_medfreq.engine.frequencies.presets import solo_gains
from napari_medfreq.engine.frequencies.results import BandImage
from napari_medfreq.volume import display_orientation, reoriented_affine

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from napari_medfreq.engine.frequencies.analysis import Analysed, Frequencies
    from napari_medfreq.engine.frequencies.lattices import Lattice
    from napari_medfreq.engine.frequencies.options import Form, FrequencyOptions
    from napari_medfreq.engine.options import Sink
    from napari_medfreq.transforms.bands import Band, BandKey
    from napari_medfreq.volume import Volume


def band_images(
    frequencies: Frequencies,
    volume: Volume,
    options: FrequencyOptions,
    keys: Sequence[BandKey],
    form: Form,
    sink: Sink,
) -> tuple[BandImage, ...]:
    """Return the bands `keys` of `volume`, as `napari_medfreq.jobs.frequency_requests.BandsRequest` says.

    Of a volume that is transformed plane by plane, the coefficients of the planes are stacked in display orientation;
    all bands that are asked for are in memory, and one plane with all its bands.

    Raises
    ------
    InputError
        If the image cannot be transformed so, or there is no such band.
    Cancelled
        From ``sink.check``.
    """
    image = checked(volume)
    bands = frequencies.select(frequencies.layout(image, options), keys)
    total = piece_count(image, options)
    made: dict[BandKey, BandImage] = {}
    for number, piece in enumerate(pieces(image, options)):
        sink.check()
        analysed = frequencies.analysed(piece.image, options) if total == 1 else analyse(piece.image, options)
        for band in bands:
            found, lattice = _values(analysed, band, piece.image.spatial_shape, form)
            if not made:
                check_room(image.name, found.nbytes * total * len(bands))
            if band.key not in made:
                made[band.key] = _allocated(sink, image, options, band.key, found, lattice)
            view_of(made[band.key].image, options, piece)[...] = found
        sink.progress(number + 1, total, "bands")
    return tuple(made[band.key] for band in bands)


def _values(
    analysed: Analysed, band: Band, shape: tuple[int, ...], form: Form
) -> tuple[npt.NDArray[np.float32], Lattice | None]:
    """Return the coefficients of `band` and where they lie, or what it contributes to the image and None."""
    transform: Any = analysed.transform
    lattice = lattice_of(transform, band) if form == "coefficients" else None
    if lattice is None:
        return analysed.filtered(solo_gains(transform.layout(), [band.key])), None
    part, placed = lattice.on_image(analysed.parts[band.key], shape)
    return part.numpy(), placed


def _allocated(
    sink: Sink,
    image: Volume,
    options: FrequencyOptions,
    key: BandKey,
    found: npt.NDArray[np.float32],
    lattice: Lattice | None,
) -> BandImage:
    """Return an image for the band `key` of which `found` is the first piece."""
    name = f"{image.name} · band {key}"
    channels = image.channels
    if lattice is None:
        array = sink.allocate(str(key), image.data.shape, "float32")
        return BandImage(key, "component", image.like(array, axes=image.axes, channels=channels, name=name))
    flat = len(image.spatial_axes) == 2
    shape, affine = list(found.shape[-len(lattice.step) :]), image.affine
    if not flat and not in_three_dimensions(image, options):
        orientation, across = display_orientation(image), PLANES.index(options.plane)
        shape.insert(across, plane_count(image, options.plane))
        affine = reoriented_affine(image, orientation)
        lattice = lattice.stacked(across)
    lead = image.data.shape[: image.data.ndim - len(image.spatial_axes)]
    array = sink.allocate(str(key), (*lead, *shape), "float32")
    placed = image.like(array, axes=image.axes, channels=channels, name=name, affine=lattice.affine(affine))
    return BandImage(key, "coefficients", placed)
