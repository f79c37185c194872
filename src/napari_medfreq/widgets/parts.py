"""Which layers are parts of one result: kept in their metadata, so that no layer is looked up by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Layer

    from napari_medfreq.io.models import LabelName
    from napari_medfreq.volume import Kind

PART = "medfreq-part"


@dataclass(frozen=True, eq=False)
class ResultPart:
    """What a layer is of a result; kept in ``layer.metadata["medfreq-part"]``.

    Attributes
    ----------
    provenance : dict
        How the result was made; the same object in all layers of one result.
    kind : {"labels", "probability", "uncertainty"}
        What the layer shows.
    index : int
        Which of several layers of this kind, in the order of `labels`.
    labels : tuple of LabelName
        What the model can find.
    """

    provenance: dict[str, Any]
    kind: Kind
    index: int
    labels: tuple[LabelName, ...]


def part_of(layer: Layer) -> ResultPart | None:
    """Return what `layer` is of a result, or None."""
    part = layer.metadata.get(PART)
    return part if isinstance(part, ResultPart) else None


def companions(layer: Layer, layers: Iterable[Layer], kind: Kind) -> tuple[Layer, ...]:
    """Return those of `layers` that show `kind` of the result that `layer` is a part of, in the order of its labels."""
    own = part_of(layer)
    found = [(part.index, other) for other in layers if (part := part_of(other)) is not None and part.kind == kind]
    same = [(i, other) for i, other in found if own is not None and other.metadata[PART].provenance is own.provenance]
    return tuple(other for _, other in sorted(same, key=lambda pair: pair[0]))
