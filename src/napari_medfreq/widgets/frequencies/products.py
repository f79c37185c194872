"""What the user asks for by name: bands as layers, a changed volume, coefficients and tables in files."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medfreq.errors import InputError
from napari_medfreq.io.atomic import replacing
from napari_medfreq.io.coefficients import write_coefficients
from napari_medfreq.volume import display_orientation, reoriented_affine
from napari_medfreq.widgets.frequencies.planes import in_plane, placed, read_plane
from napari_medfreq.widgets.layers import result_tuple
from napari_medfreq.widgets.looks import robust_limits
from napari_medfreq.widgets.placement import as_stored, valid_placement
from napari_medfreq.widgets.volumes import volume_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt
    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_medfreq.engine.frequencies.results import BandImage, Coefficients, Spectrum
    from napari_medfreq.volume import Volume
    from napari_medfreq.widgets.frequencies.planes import ShownPlane


def add_bands(viewer: Viewer, shown: ShownPlane, bands: Sequence[BandImage]) -> list[Layer]:
    """Add each band as a layer that lies on the image, grey at 0, each channel of colours as a layer of its own."""
    from napari.layers import Image

    layers = []
    for band in bands:
        image = band.image
        name = f"{shown.layer.name} · band {band.key}" + ("" if band.form == "coefficients" else " in the image")
        if len(image.spatial_axes) == 3:
            keywords, pixels = _place_of_volume(shown.layer, band), _as_shown(shown.layer, band)
        else:
            grid = np.linalg.solve(read_plane(shown).affine, image.affine)
            keywords, pixels = placed(shown, grid), image.data
        channels = zip(image.channels, pixels, strict=True) if image.axes[0] == "c" else [("", pixels)]
        for channel, part in channels:
            data = np.array(part) if part.ndim == 3 else in_plane(shown, np.array(part))
            layers.append(Image(data, name=f"{name} {channel}".rstrip(), **keywords, **_signed_look(data)))
    for layer in layers:
        viewer.add_layer(layer)
    return layers


def add_volume(viewer: Viewer, source: Layer, changed: Volume) -> Layer:
    """Add a changed volume as a layer that lies on `source`."""
    from napari.layers import Layer

    if changed.axes[0] == "c":
        keywords = {key: getattr(source, key) for key in ("scale", "translate", "rotate", "shear", "affine", "units")}
        top = 255.0 if np.asarray(source.data).dtype.kind in "iu" else 1.0
        data = np.clip(np.moveaxis(turned(changed, source), 0, -1) / top, 0, 1)
        layer = Layer.create(data, keywords | {"rgb": True}, "image")
    else:
        layer = Layer.create(*result_tuple(changed, source))
        layer.contrast_limits, layer.colormap = source.contrast_limits, source.colormap
    layer.name = f"{source.name} · bands, all planes"
    viewer.add_layer(layer)
    return layer


def turned(volume: Volume, source: Layer) -> npt.NDArray[Any]:
    """Return the voxels of `volume`, on the grid that `volume_of` gave for `source`, as the layer has them."""
    placement = valid_placement(source)
    return volume.data if placement is None else placement.orientation.apply(volume.data)


def save_coefficients(path: Path, coefficients: Coefficients, unit: str) -> None:
    """Write the coefficients of all bands to `path` (.npz), with what they are.

    Raises
    ------
    FileError
        If `path` cannot be written.
    """
    bands = {
        str(band.key): {"name": band.name, "angle": band.angle, "frequency": band.frequency}
        for band in coefficients.layout
    }
    about = {
        "options": asdict(coefficients.options),
        "image_shape": coefficients.shape,
        "bands": bands,
        "frequency_unit_of_bands": "cycles per sample",
        "unit_of_image": unit,
    }
    write_coefficients(path, coefficients.parts, about)


def spectra_csv(spectra: Sequence[Spectrum]) -> str:
    """Return spectra as CSV with a header, a row for each frequency of each layer."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("layer", "frequency", "unit", "power"))
    for spectrum in spectra:
        pairs = zip(spectrum.frequency.tolist(), spectrum.power.tolist(), strict=True)
        writer.writerows((spectrum.name, frequency, spectrum.unit, power) for frequency, power in pairs)
    return text.getvalue()


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all.

    Raises
    ------
    FileError
        If `path` cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _as_shown(source: Layer, band: BandImage) -> npt.NDArray[Any]:
    # Coefficients of a volume come as they are shown, all else as the volume is stored.
    return turned(band.image, source) if band.form == "component" else band.image.data


def _place_of_volume(source: Layer, band: BandImage) -> dict[str, Any]:
    """Return the keywords that put a band of three dimensions on the layer that it is of."""
    volume = volume_of(source)
    turn = display_orientation(volume)
    placement = valid_placement(source)
    if band.form == "component":
        keys = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
        return {key: getattr(source, key) for key in keys}
    if (placement.orientation if placement is not None else as_stored(volume)) != turn:
        raise InputError(
            f"The coefficients of {source.name!r} cannot be placed on it; add what the band gives to the image instead."
        )
    grid = np.linalg.solve(reoriented_affine(volume, turn), band.image.affine)
    start = grid[:3, 3][::-1]
    world = np.asarray(source.data_to_world(start), dtype=np.float64)
    keywords: dict[str, Any] = {key: getattr(source, key) for key in ("rotate", "shear", "affine", "units")}
    keywords["scale"] = tuple(np.asarray(source.scale) * np.diag(grid)[:3][::-1])
    keywords["translate"] = tuple(np.linalg.solve(source.affine.linear_matrix, world - source.affine.translate))
    return keywords


def _signed_look(data: npt.NDArray[Any]) -> dict[str, Any]:
    low, high = robust_limits(data)
    reach = max(abs(low), abs(high))
    # The low-pass band is an image; all others lie around 0.
    return {"colormap": "gray", "contrast_limits": (low, high) if low >= 0 else (-reach, reach)}
