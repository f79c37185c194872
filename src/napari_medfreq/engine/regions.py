"""The table of what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medfreq.engine.options import Region

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_medfreq.io.models import LabelName
    from napari_medfreq.volume import Volume


def measure(
    source: Volume,
    names: Sequence[LabelName],
    labels: npt.NDArray[np.uint8],
    probability: npt.NDArray[np.float16],
    uncertainty: npt.NDArray[np.float16] | None,
) -> tuple[Region, ...]:
    """Return a row for each of `names`.

    Parameters
    ----------
    source : Volume
        Gives the size of a voxel.
    names : sequence of LabelName
        The labels of the model, in the order of its outputs.
    labels : numpy.ndarray, uint8
        The mask. Sizes are averaged over its frames where it has any; voxels are counted over all of them.
    probability : numpy.ndarray, float16
        Shape of `labels`, or with one leading entry a label.
    uncertainty : numpy.ndarray or None, float16
        Shape of `labels`.
    """
    spatial = len(source.spatial_axes)
    frames = labels.shape[0] if labels.ndim > spatial else 1
    voxel, unit = voxel_size(source)
    rows = []
    for index, name in enumerate(names):
        found = labels == name.value
        count = int(np.count_nonzero(found))
        own = probability[index] if probability.ndim > labels.ndim else probability
        rows.append(
            Region(
                label=name,
                voxels=count,
                size=count * voxel / frames,
                size_unit=unit,
                mean_probability=_mean(own, found, count),
                mean_uncertainty=None if uncertainty is None else _mean(uncertainty, found, count),
            )
        )
    return tuple(rows)


def voxel_size(volume: Volume) -> tuple[float, str]:
    """Return the size of a voxel and its unit: ``ml`` in 3D, ``mm²`` in 2D, 1 ``px`` where the file states no size."""
    if not volume.calibrated:
        return 1.0, "px"
    x, y, z = volume.affine[:3, :3].T
    if len(volume.spatial_axes) == 2:
        return float(np.linalg.norm(np.cross(x, y))), "mm²"
    return float(abs(np.dot(np.cross(x, y), z))) / 1000.0, "ml"


def _mean(values: npt.NDArray[Any], where: npt.NDArray[np.bool_], count: int) -> float | None:
    if not count:
        return None
    return float(np.sum(values, where=where, dtype=np.float64)) / count
