"""Write a result to a file, as it is on screen now, with what repeats it beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_medfreq.errors import FileError
from napari_medfreq.io.atomic import replacing
from napari_medfreq.io.files import write
from napari_medfreq.widgets.volumes import volume_of

if TYPE_CHECKING:
    from pathlib import Path

    from napari_medfreq.volume import Kind, Volume
    from napari_medfreq.widgets.segment.results import ResultLayers


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
    volume = _volume(results, kind)
    write(volume, path)
    record = provenance_path(path)
    with replacing(record) as temporary:
        temporary.write_text(json.dumps(_record(results, kind, path), indent=2) + "\n", encoding="utf-8")
    return [path, record]


def provenance_path(path: Path) -> Path:
    """Return where the provenance of `path` goes: a name that no other program gives to its own side files."""
    return path.with_name(f"{path.name}.provenance.json")


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
    segmentation = results.segmentation
    volume: Volume | None = getattr(segmentation, kind, None)
    layer = results.layer(kind)
    if segmentation is None or volume is None or layer is None:
        raise FileError(f"There is no {kind} to export. Segment an image first.")
    if kind != "labels":
        return volume
    return replace(segmentation.named_labels, data=volume_of(layer).data)


def _from_dicom(volume: Volume) -> bool:
    return "dicom" in volume.header


def _record(results: ResultLayers, kind: Kind, path: Path) -> dict[str, Any]:
    if results.segmentation is None:
        raise FileError(f"There is no {kind} to export. Segment an image first.")
    return {
        "file": path.name,
        "content": kind,
        "edited": kind == "labels" and results.edited,
        **results.segmentation.provenance,
    }
