"""Write a result to a file, as it is on screen now, with what repeats it beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_medfreq.engine.records import write_record
from napari_medfreq.errors import FileError
from napari_medfreq.io.files import write
from napari_medfreq.widgets.volumes import volume_of

if TYPE_CHECKING:
    from pathlib import Path

    from napari_medfreq.engine.options import Segmentation
    from napari_medfreq.volume import Kind, Volume
    from napari_medfreq.widgets.segment.results import ResultLayers

_NOTHING = "There is no {} to export. Segment an image first."


def export(results: ResultLayers, kind: Kind, path: Path) -> list[Path]:
    """Write the result `kind` to `path` on the grid of its source, and its provenance beside it.

    Labels are written with the corrections that the user made; the provenance then says that they are edited.

    Parameters
    ----------
    results : ResultLayers
        A finished result.
    kind : {"labels", "probability", "uncertainty"}
        What to write.
    path : pathlib.Path
        The ending chooses the format.

    Returns
    -------
    list of pathlib.Path
        The two files.

    Raises
    ------
    FileError
        If the place cannot be written to, or the format cannot hold this result.
    """
    write(_volume(results, kind), path)
    return [path, write_record(_found(results, kind), path, kind, edited=kind == "labels" and results.edited)]


def file_filters(results: ResultLayers, kind: Kind) -> str:
    """Return the formats that can hold the result `kind`, as Qt's file dialog wants them, the usual one first."""
    volume = _volume(results, kind)
    filters = ["NIfTI (*.nii.gz *.nii)", "NRRD (*.nrrd)", "MetaImage (*.mha)"]
    if volume.axes == "yx":
        filters.insert(0, "PNG (*.png)")
    if kind == "labels" and _from_dicom(volume):
        filters.append("DICOM Segmentation (*.dcm)")
    return ";;".join(filters)


def _volume(results: ResultLayers, kind: Kind) -> Volume:
    segmentation = _found(results, kind)
    volume: Volume | None = getattr(segmentation, kind)
    layer = results.layer(kind)
    if volume is None or layer is None:
        raise FileError(_NOTHING.format(kind))
    if kind != "labels":
        return volume
    return replace(segmentation.named_labels, data=volume_of(layer).data)


def _found(results: ResultLayers, kind: Kind) -> Segmentation:
    if results.segmentation is None:
        raise FileError(_NOTHING.format(kind))
    return results.segmentation


def _from_dicom(volume: Volume) -> bool:
    return "dicom" in volume.header
