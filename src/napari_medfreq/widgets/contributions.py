"""What napari finds in ``napari.yaml``: the reader, the writers and the sample data."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_medfreq.errors import MedfreqError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_medfreq.volume import Volume
    from napari_medfreq.widgets.layers import LayerTuple

    Paths = str | Path | Sequence[str | Path]

_log = logging.getLogger(__name__)
# What napari takes for "opened, and nothing to show": the user has been told why.
_NOTHING: list[Any] = [(None,)]


def get_reader(path: Paths) -> Callable[[Paths], list[Any]] | None:
    """Return the reader if `path` can be read, else None so that napari asks another plugin."""
    from napari_medfreq.io.files import can_read

    if not isinstance(path, (str, Path)):
        return None
    return read_layers if can_read(path) else None


def read_layers(path: Paths) -> list[Any]:
    """Return the layers of the file or DICOM folder `path`; if it is broken, say so and return no layer."""
    from napari.utils.notifications import show_error

    if not isinstance(path, (str, Path)):
        return _NOTHING
    try:
        volumes = _volumes(Path(path))
    except MedfreqError as error:
        _log.warning("%s", error)
        show_error(str(error))
        return _NOTHING
    tell_notes(volumes)
    return _tuples(volumes) or _NOTHING


def tell_notes(volumes: Sequence[Volume]) -> None:
    """Show, in one notification, what the user should know of `volumes`."""
    from napari.utils.notifications import show_info

    from napari_medfreq.widgets.layers import oblique_notice

    notes: dict[str, None] = {}
    for volume in volumes:
        notes |= dict.fromkeys(str(note) for note in volume.header.get("notes", ()))
        if notice := oblique_notice(volume):
            notes[notice] = None
    if notes:
        show_info("\n".join(notes))


def write_nifti(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an image or labels layer as NIfTI on the grid of its source."""
    return _write(path, data, attributes)


def write_nrrd(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an image or labels layer as NRRD or MetaImage on the grid of its source."""
    return _write(path, data, attributes)


def write_png(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a 2D image or labels layer as PNG or TIFF."""
    return _write(path, data, attributes)


def write_dicom_seg(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a labels layer that was made on a DICOM series as a DICOM Segmentation."""
    return _write(path, data, attributes)


def sample_retina() -> list[LayerTuple]:
    """Return a colour fundus photograph."""
    from napari_medfreq.io.samples import retina

    return _tuples([retina()])


def sample_brain() -> list[LayerTuple]:
    """Return the computed brain in four MR contrasts, of which the last is visible, and its lesion."""
    from napari_medfreq.io.models import LabelName
    from napari_medfreq.io.samples import brain_phantom
    from napari_medfreq.widgets.layers import layer_tuples

    image, lesion = brain_phantom()
    contrasts = layer_tuples(image)
    for _, keywords, _ in contrasts[:-1]:
        keywords["visible"] = False
    return [*contrasts, *layer_tuples(lesion, (LabelName(1, "lesion", "#e8a33d"),))]


def sample_hippocampus() -> list[Any]:
    """Return a T1 MR image of a hippocampus and its labels, downloaded at first use."""
    from napari.utils.notifications import show_error

    from napari_medfreq.io.files import read
    from napari_medfreq.io.models import LabelName
    from napari_medfreq.io.samples import hippocampus
    from napari_medfreq.widgets.layers import layer_tuples

    names = (LabelName(1, "anterior", "#e8a33d"), LabelName(2, "posterior", "#3d9be8"))
    try:
        image, labels = (read(path)[0] for path in hippocampus())
    except MedfreqError as error:
        show_error(str(error))
        return _NOTHING
    truth = image.like(labels.data, kind="labels", name=f"{image.name} labels")
    return [*layer_tuples(image), *layer_tuples(truth, names)]


def _volumes(path: Path) -> list[Volume]:
    from napari_medfreq.io.files import read

    if not path.is_dir():
        return read(path)
    from napari_medfreq.io.dicom import list_series
    from napari_medfreq.widgets.series import choose_series

    series = list_series(path)
    if len(series) < 2:
        return read(path)
    chosen = choose_series(series)
    return [volume for entry in chosen for volume in read(path, series=entry.uid)]


def _tuples(volumes: Sequence[Volume]) -> list[LayerTuple]:
    from napari_medfreq.widgets.layers import layer_tuples

    return [entry for volume in volumes for entry in layer_tuples(volume)]


def _write(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    from napari.layers import Layer
    from napari.utils.notifications import show_error

    from napari_medfreq.io.files import write
    from napari_medfreq.widgets.volumes import volume_of

    layer_type = "image" if "contrast_limits" in attributes else "labels"
    try:
        write(volume_of(Layer.create(data, dict(attributes), layer_type)), Path(path))
    except MedfreqError as error:
        _log.warning("%s", error)
        show_error(str(error))
        return []
    return [path]
