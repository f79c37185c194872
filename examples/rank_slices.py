"""Rank the slices of a scan by their uncertainty, the first to look at first: ``python rank_slices.py IN [MODEL]``."""

from __future__ import annotations

import sys

import numpy as np

from napari_medfreq.engine.options import SegmentOptions
from napari_medfreq.io.files import read
from napari_medfreq.jobs.host import ChildExecutor
from napari_medfreq.jobs.messages import Event, Progress, SegmentRequest


def main(source: str, model: str = "mmsnet-hippocampus") -> None:
    """Print the slices of the first image of `source`, the most uncertain first."""
    volume = read(source)[0]
    request = SegmentRequest(volume, model, SegmentOptions(passes=20))
    with ChildExecutor() as executor:
        found = executor.submit(request, show).result()
    if found.uncertainty is None or found.uncertainty.data.ndim != 3:
        sys.exit(f"{source} is not a volume.")
    doubt = found.uncertainty.data.astype(np.float32).sum(axis=(1, 2))
    for index in np.argsort(-doubt)[:10]:
        print(f"slice {index}: {doubt[index]:.1f} uncertain voxels")


def show(event: Event) -> None:
    """Say how far it is."""
    if isinstance(event, Progress):
        print(f"\r{event.done} of {event.total}", end="" if event.done < event.total else "\n", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
