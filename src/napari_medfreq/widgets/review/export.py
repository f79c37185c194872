"""Write corrected masks on the grid of their images, with a record of the review beside them."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from napari_medfreq import __version__
from napari_medfreq.engine.records import record_path
from napari_medfreq.io.atomic import replacing
from napari_medfreq.io.files import write
from napari_medfreq.io.review import STATES
from napari_medfreq.widgets.placement import METADATA, Placement

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_medfreq.io.review import State
    from napari_medfreq.volume import Volume
    from napari_medfreq.widgets.review.cases import OpenCase


def export_case(case: OpenCase, states: Sequence[State], path: Path) -> list[Path]:
    """Write the mask of `case` as it is on screen to `path`, and beside it what was reviewed.

    Parameters
    ----------
    case : OpenCase
        A case of the review.
    states : sequence of State
        Of its regions.
    path : pathlib.Path
        The ending chooses the format.

    Returns
    -------
    list of pathlib.Path
        The two files.

    Raises
    ------
    FileError
        If the place cannot be written to, or the format cannot hold this mask.
    """
    write(corrected_mask(case), path)
    target = record_path(path)
    with replacing(target) as temporary:
        temporary.write_text(json.dumps(_record(case, states, path), indent=2, ensure_ascii=False) + "\n", "utf-8")
    return [path, target]


def corrected_mask(case: OpenCase) -> Volume:
    """Return the mask of `case` as it is on screen, with what its image's file said of the grid."""
    placement = case.image.metadata.get(METADATA)
    header = placement.grid.header if isinstance(placement, Placement) else {}
    names = {label.value: label.name for label in case.case.labels}
    algorithm = {key: case.case.model[key] for key in ("name", "version") if key in case.case.model}
    return replace(case.corrected(), header={**header, "labels": names, "algorithm": algorithm})


def export_filters(case: OpenCase) -> str:
    """Return the formats that can hold the mask of `case`, as Qt's file dialog wants them, the usual one first."""
    filters = ["NIfTI (*.nii.gz *.nii)", "NRRD (*.nrrd)", "MetaImage (*.mha)"]
    if case.case.grid.axes == "yx":
        filters.insert(0, "PNG (*.png)")
    if "dicom" in corrected_mask(case).header:
        filters.append("DICOM Segmentation (*.dcm)")
    return ";;".join(filters)


def _record(case: OpenCase, states: Sequence[State], path: Path) -> dict[str, Any]:
    source = case.case.grid.source
    return {
        "file": path.name,
        "content": "labels",
        "edited": "corrected" in states,
        "model": case.case.model,
        "source": {"name": case.case.name, "path": None if source is None else str(source)},
        "image_sha256": case.case.digest,
        "labels": [asdict(label) for label in case.case.labels],
        "review": {state: states.count(state) for state in STATES},
        "expected_dice_before": case.case.expected_dice,
        "versions": {"napari-medfreq": __version__},
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
