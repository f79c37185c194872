"""Where a mask is most likely wrong: connected regions of doubtful voxels, ranked by what it pays to look at them.

With calibrated probabilities ``p`` of a label, its mask ``S`` and the unknown truth ``T``,

    E|S n T| = sum over S of p,    E|T| = sum of p,    Dice = 2 |S n T| / (|S| + |T|).

Where an annotator corrects a region ``R``, the mask equals the truth there: ``|S n T|`` grows by the ``p`` of ``R``
outside ``S``, and ``|S|`` changes by the difference. The gain of Dice over the number of voxels of ``R`` is the
priority of the region: the annotator's time goes where it changes most.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_medfreq.engine.regions import voxel_size
from napari_medfreq.io.review import Queue, ReviewRegion

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_medfreq.engine.options import Sink
    from napari_medfreq.io.review import QueueOptions
    from napari_medfreq.volume import Volume

    Array = npt.NDArray[Any]


@dataclass(frozen=True)
class _Sums:
    """Expected sizes of one label: ``E|S n T|``, ``|S|`` and ``E|T|``; of a case or of each of its regions."""

    hit: npt.NDArray[np.float64]
    mask: npt.NDArray[np.float64]
    truth: npt.NDArray[np.float64]

    def dice(self) -> npt.NDArray[np.float64]:
        total = self.mask + self.truth
        return np.where(total > 1e-9, 2 * self.hit / np.maximum(total, 1e-9), 1.0)

    def corrected(self, region: _Sums) -> _Sums:
        """Return the sums of the case after each of the regions was corrected by itself."""
        hit = self.hit - region.hit + region.truth
        return _Sums(hit, self.mask - region.mask + region.truth, self.truth + 0 * hit)


def find_regions(
    labels: Volume,
    probability: Volume,
    uncertainty: Volume | None,
    values: Sequence[int],
    options: QueueOptions,
    sink: Sink,
) -> Queue:
    """Return the regions to look at, best first, and the expected Dice of the mask as it is.

    Parameters
    ----------
    labels : Volume
        The mask.
    probability : Volume
        Calibrated, range [0, 1]: of the label on the axes of `labels`, or with a leading ``c`` of one entry a label.
    uncertainty : Volume or None
        Range [0, 1], on the axes of `labels`; None takes the chance of an error in its place.
    values : sequence of int
        The label values, in the order of the probability's channels.
    options : QueueOptions
        What counts as doubtful, and how large a region may become.
    sink : Sink
        Told of the progress, and asked whether to go on.
    """
    mask = labels.data
    chances = _channels(probability.data, mask.ndim)
    values = tuple(values) if len(chances) == len(values) else (0,)  # one map for any label
    doubt = _chance_of_error(mask, chances, values)
    sink.check()
    numbered, count = _pieces(doubt >= options.doubt, doubt, len(labels.spatial_axes), options, sink)
    sink.check()
    found = numbered > 0
    index = numbered[found] - 1
    whole, inside = _sums(mask, chances, values, found, index, count)
    expected = [case.dice() for case in whole]
    gains = np.mean([w.corrected(r).dice() - d for w, r, d in zip(whole, inside, expected, strict=True)], axis=0)
    voxels = np.bincount(index, minlength=count)
    errors = np.bincount(index, doubt[found], count)
    shown = doubt if uncertainty is None else uncertainty.data
    mean = np.bincount(index, shown[found], count) / np.maximum(voxels, 1)
    owner = np.argmax([region.truth + region.mask for region in inside], axis=0)
    voxel, unit = voxel_size(labels)
    voxel, unit = (voxel * 1000, "mm³") if unit == "ml" else (voxel, unit)
    boxes = ndimage.find_objects(numbered)
    rows = [
        ReviewRegion(
            number=0,
            bounds=tuple((part.start, part.stop) for part in box),
            centre=_most_doubtful(doubt, numbered, number, box),
            voxels=int(voxels[number]),
            size=float(voxels[number] * voxel),
            size_unit=unit,
            label=int(values[owner[number]]),
            uncertainty=float(mean[number]),
            expected_errors=float(errors[number]),
            gain=max(float(gains[number]), 0.0),
            priority=max(float(gains[number]), 0.0) / int(voxels[number]),
        )
        for number, box in enumerate(boxes)
    ]
    order = sorted(range(count), key=lambda number: -rows[number].priority)
    ranks = np.zeros(count + 1, np.int32)
    ranks[np.array(order, np.int64) + 1] = np.arange(1, count + 1)
    sink.progress(1, 1, "regions to look at")
    return Queue(
        regions=tuple(replace(rows[number], number=rank) for rank, number in enumerate(order, start=1)),
        map=ranks[numbered],
        expected_dice=float(np.mean(expected)),
    )


def _channels(probability: Array, ndim: int) -> Array:
    return probability if probability.ndim > ndim else probability[None]


def _chance_of_error(mask: Array, chances: Array, values: Sequence[int]) -> npt.NDArray[np.float32]:
    """Return one less the probability of what the mask says, voxel by voxel."""
    doubt = np.empty(mask.shape, np.float32)
    for plane in range(len(mask)):
        p = chances[:, plane].astype(np.float32)
        right = 1 - p.sum(axis=0)  # of the background
        for value, own in zip(values, p, strict=True):
            right = np.where(mask[plane] == value if value else mask[plane] > 0, own, right)
        doubt[plane] = np.clip(1 - right, 0, 1)
    return doubt


def _pieces(
    doubtful: npt.NDArray[np.bool_], doubt: Array, spatial: int, options: QueueOptions, sink: Sink
) -> tuple[npt.NDArray[np.int32], int]:
    """Number the regions from 1: connected, at least `smallest` voxels, divided where they reach too far."""
    structure = ndimage.generate_binary_structure(doubtful.ndim, doubtful.ndim)
    if doubtful.ndim > spatial:
        structure[[0, -1]] = False  # frames are not neighbours
    reach = options.reach or max(round(max(doubtful.shape[-2:]) / 12), 16)
    numbered, count = ndimage.label(doubtful, structure)
    result = np.zeros(numbered.shape, np.int32)
    last = 0
    for number, box in enumerate(ndimage.find_objects(numbered), start=1):
        if number % 100 == 0:
            sink.check()
            sink.progress(number, count, "finding regions")
        own = numbered[box] == number
        parts = _divided(own, doubt[box], reach) if max(own.shape) > reach else own.astype(np.int32)
        sizes = np.bincount(parts.ravel())
        kept = np.flatnonzero(sizes[1:] >= options.smallest) + 1
        renumber = np.zeros(len(sizes), np.int32)
        renumber[kept] = np.arange(last + 1, last + 1 + len(kept))
        last += len(kept)
        result[box] += renumber[parts]
    return result, last


def _divided(own: npt.NDArray[np.bool_], doubt: Array, reach: int) -> npt.NDArray[np.int32]:
    """Divide a region among its most doubtful places, each at least half a reach from the others."""
    points = np.argwhere(own)
    smooth = ndimage.gaussian_filter(np.where(own, doubt, 0), sigma=reach / 8)[own]
    tree = cKDTree(points)
    free = np.ones(len(points), bool)
    seeds = []
    for number in np.argsort(-smooth, kind="stable"):
        if free[number]:
            seeds.append(number)
            free[tree.query_ball_point(points[number], reach / 2)] = False
    parts = np.zeros(own.shape, np.int32)
    parts[own] = cKDTree(points[seeds]).query(points)[1] + 1
    return parts


def _sums(
    mask: Array, chances: Array, values: Sequence[int], found: npt.NDArray[np.bool_], index: Array, count: int
) -> tuple[list[_Sums], list[_Sums]]:
    """Return for each label the sums of the case and of its regions."""
    whole, inside = [], []
    for value, chance in zip(values, chances, strict=True):
        own = mask == value if value else mask > 0
        hit = np.sum(chance, where=own, dtype=np.float64)
        whole.append(_Sums(*np.atleast_1d(hit, float(own.sum()), np.sum(chance, dtype=np.float64))))
        p, inner = chance[found].astype(np.float64), own[found]
        hits, masks, truths = (np.bincount(index, w, count).astype(np.float64) for w in (p * inner, 1.0 * inner, p))
        inside.append(_Sums(hits, masks, truths))
    return whole, inside


def _most_doubtful(doubt: Array, numbered: Array, number: int, box: tuple[slice, ...]) -> tuple[int, ...]:
    inner = np.where(numbered[box] == number + 1, doubt[box], -1.0)
    place = np.unravel_index(int(inner.argmax()), inner.shape)
    return tuple(int(part.start + offset) for part, offset in zip(box, place, strict=True))
