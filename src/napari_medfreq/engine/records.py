"""The file beside a result that says how it was made, for the viewer and the command line alike; needs no torch."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from napari_medfreq.io.atomic import replacing

if TYPE_CHECKING:
    from pathlib import Path

    from napari_medfreq.engine.options import Segmentation
    from napari_medfreq.volume import Kind

_EDITED = "The mask was corrected by hand; regions describes it as it was found, before the corrections."


def record_path(path: Path) -> Path:
    """Return where the record of the result `path` goes.

    Not `mask.json` for `mask.nii.gz`: other programs (dcm2niix, BIDS) give that name to files of their own.
    """
    return path.with_name(f"{path.name}.provenance.json")


def record(found: Segmentation, path: Path, content: Kind = "labels", *, edited: bool = False) -> dict[str, Any]:
    """Return what the record says; JSON-serialisable.

    Parameters
    ----------
    found : Segmentation
        The result.
    path : pathlib.Path
        The file that holds `content`, a part of it.
    content : {"labels", "probability", "uncertainty"}
        Which part.
    edited : bool
        Whether somebody corrected it since it was found.
    """
    said = {
        "file": path.name,
        "content": content,
        "edited": edited,
        **found.provenance,
        "regions": [asdict(region) for region in found.regions],
    }
    if edited:
        said["notes"] = [*found.provenance.get("notes", ()), _EDITED]
    return said


def write_record(found: Segmentation, path: Path, content: Kind = "labels", *, edited: bool = False) -> Path:
    """Write `record` beside `path`, whole or not at all, and return where.

    Raises
    ------
    FileError
        If the place cannot be written to.
    """
    target = record_path(path)
    text = json.dumps(record(found, path, content, edited=edited), indent=2, ensure_ascii=False)
    with replacing(target) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return target
