"""Segment a file and say where the model doubts most: ``python segment_file.py IN OUT [MODEL]``."""

from __future__ import annotations

import sys

import numpy as np

from napari_medfreq.engine.options import SegmentOptions
from napari_medfreq.io.files import read, write
from napari_medfreq.jobs.inline import InlineExecutor
from napari_medfreq.jobs.messages import SegmentRequest


def main(source: str, target: str, model: str = "mmsnet-mix-b0") -> None:
    """Segment the first image of `source` and write the mask to `target`."""
    volume = read(source)[0]
    with InlineExecutor() as executor:
        found = executor.submit(SegmentRequest(volume, model, SegmentOptions(passes=20))).result()
    write(found.labels, target)
    for region in found.regions:
        print(f"{region.label.name}: {region.size:.4g} {region.size_unit}")
    if found.uncertainty is not None:
        index = np.unravel_index(int(found.uncertainty.data.argmax()), found.uncertainty.data.shape)
        print(f"most uncertain voxel ({found.uncertainty.axes}): {tuple(map(int, index))}")


if __name__ == "__main__":
    main(*sys.argv[1:])
