"""Boxes and voxels between the axes of a mask as it is stored and those of the layer that shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from napari_medfreq.io.review import Bounds
    from napari_medfreq.volume import Orientation

    Array = npt.NDArray[Any]


def to_shown(turn: Orientation, bounds: Bounds, shape: Sequence[int]) -> Bounds:
    """Return where the box `bounds` of a stored array of `shape` is in ``turn.apply(array)``."""
    lead = len(shape) - len(turn.order)
    spatial, sizes = bounds[lead:], shape[lead:]
    turned = (_flipped(spatial[axis], sizes[axis], flip) for axis, flip in zip(turn.order, turn.flips, strict=True))
    return (*bounds[:lead], *turned)


def to_stored(turn: Orientation, bounds: Bounds, shape: Sequence[int]) -> Bounds:
    """Return where the box `bounds` of ``turn.apply(array)`` is in the stored `array` of `shape`."""
    lead = len(shape) - len(turn.order)
    stored = list(bounds[lead:])
    for shown, axis, flip in zip(bounds[lead:], turn.order, turn.flips, strict=True):
        stored[axis] = _flipped(shown, shape[lead + axis], flip)
    return (*bounds[:lead], *stored)


def slices_of(bounds: Bounds) -> tuple[slice, ...]:
    """Return `bounds` as an index."""
    return tuple(slice(start, stop) for start, stop in bounds)


def changed_boxes(now: Array, before: Array) -> Iterator[Bounds]:
    """Yield the smallest boxes, one for each run of planes, in which two arrays of one shape differ.

    A plane is compared as a whole, so that a large volume costs one pass over its memory and no copy of it.
    """
    planes = [number for number in range(len(now)) if not np.array_equal(now[number], before[number])]
    for run in _runs(planes):
        box = (run, *((0, size) for size in now.shape[1:]))
        yield shrunk(now[slices_of(box)] != before[slices_of(box)], box)


def shrunk(changed: Array, box: Bounds) -> Bounds:
    """Return the smallest box around what is true in `changed`, which covers `box`; something must be."""
    result = []
    for axis, (start, _) in enumerate(box):
        others = tuple(other for other in range(changed.ndim) if other != axis)
        places = np.flatnonzero(changed.any(axis=others))
        result.append((start + int(places[0]), start + int(places[-1]) + 1))
    return tuple(result)


def _flipped(bounds: tuple[int, int], size: int, flip: bool) -> tuple[int, int]:
    return (size - bounds[1], size - bounds[0]) if flip else bounds


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield start and stop of each run of neighbours in rising `numbers`."""
    start = previous = None
    for number in numbers:
        if start is None or previous is None:
            start = number
        elif number != previous + 1:
            yield start, previous + 1
            start = number
        previous = number
    if start is not None and previous is not None:
        yield start, previous + 1
