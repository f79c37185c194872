"""What can be asked of the compute side for a review: plain data, no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_medfreq.io.review import Queue, QueueOptions
from napari_medfreq.jobs.messages import Request

if TYPE_CHECKING:
    from napari_medfreq.volume import Volume


@dataclass(frozen=True, eq=False)
class QueueRequest(Request[Queue]):
    """Find the regions of a mask that are most likely wrong, see `napari_medfreq.engine.review_queue`.

    `values` are the label values in the order of the channels of `probability`.
    """

    labels: Volume
    probability: Volume
    uncertainty: Volume | None
    values: tuple[int, ...]
    options: QueueOptions = field(default_factory=QueueOptions)
