"""A volume as a row of planes: read in batches as the network sees them, and results written back where they belong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_medfreq.errors import InputError
from napari_medfreq.nn.inputs import acquisition_axis, gather, neighbour_indices, rescale
from napari_medfreq.volume import Orientation, display_orientation

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    from torch import Tensor

    from napari_medfreq.engine.preprocess import Prepared
    from napari_medfreq.volume import Volume

Bounds = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Planes:
    """The planes of a volume, frame after frame, in display orientation: any file order gives the same planes.

    Attributes
    ----------
    prepared : Prepared
        The data.
    orientation : Orientation
        From the file's order to the order in which the network sees the volume.
    axis : int
        The slicing axis, counted in display orientation; -1 for 2D.
    depth : int
        Planes in a frame.
    shape : tuple of int
        Height and width of a plane, in pixels.
    spacing : tuple of float
        Of a plane's pixels, in mm.
    """

    prepared: Prepared
    orientation: Orientation
    axis: int
    depth: int
    shape: tuple[int, int]
    spacing: tuple[float, float]

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.prepared.data)

    @property
    def total(self) -> int:
        """Number of planes of all frames."""
        return self.frames * self.depth

    def read(self, start: int, stop: int, slices: int) -> Tensor:
        """Return planes `start` to `stop` with their neighbours, normalised: float32, (N, slices * channels, H, W)."""
        data = self._planes_first(self.prepared.data)
        wanted = np.arange(start, stop)
        frames, centres = np.divmod(wanted, self.depth)
        indices = frames[:, None] * self.depth + neighbour_indices(centres, slices, self.depth)
        needed, positions = np.unique(indices, return_inverse=True)
        channels = data.shape[2]
        stack = np.empty((len(needed), channels, *self.shape), np.float32)
        for row, plane in enumerate(needed):
            frame, z = divmod(int(plane), self.depth)
            for c in range(channels):
                stack[row, c] = rescale(data[frame, z, c], *self.prepared.ranges[frame][c])
        tensor = torch.from_numpy(stack)
        if self.prepared.repeat > 1:
            tensor = tensor.expand(-1, self.prepared.repeat, -1, -1)
        return gather(tensor, positions.reshape(indices.shape))

    def write(self, target: npt.NDArray[Any], start: int, stop: int, values: npt.NDArray[Any]) -> Iterator[Bounds]:
        r"""Write `values` of planes `start` to `stop` into `target` and yield the region of each frame, in its axes.

        Parameters
        ----------
        target : numpy.ndarray, shape ([frames | K,] \*spatial)
            A result on the grid of the source.
        values : numpy.ndarray, shape (N, K, H, W)
            ``K`` is 1, unless `target` has a leading axis for the labels of a single frame.
        """
        spatial = len(self.orientation.order)
        led = target if target.ndim > spatial else target[None]
        view = self._planes_first(led)
        row = 0
        while start + row < stop:
            frame, z = divmod(start + row, self.depth)
            count = min(stop - start - row, self.depth - z)
            block = values[row : row + count]
            bounds = self._spatial_bounds(z, z + count)
            if self.prepared.lead:
                view[frame, z : z + count] = block[:, 0]
                yield ((frame, frame + 1), *bounds)
            else:
                view[:, z : z + count] = block.swapaxes(0, 1)
                yield ((0, len(led)), *bounds) if target.ndim > spatial else bounds
            row += count

    def _planes_first(self, data: npt.NDArray[Any]) -> npt.NDArray[Any]:
        r"""Return a view (frames, Z, ..., H, W) of `data` (frames, ..., \*spatial)."""
        spatial = len(self.orientation.order)
        if spatial == 2:
            return data[:, None]
        return np.moveaxis(self.orientation.apply(data), data.ndim - spatial + self.axis, 1)

    def _spatial_bounds(self, start: int, stop: int) -> Bounds:
        shape = self.prepared.data.shape[2:]
        bounds = [(0, n) for n in shape]
        if len(shape) == 3:
            source = self.orientation.order[self.axis]
            if self.orientation.flips[self.axis]:
                start, stop = shape[source] - stop, shape[source] - start
            bounds[source] = (start, stop)
        return tuple(bounds)


def cut(volume: Volume, prepared: Prepared, axis: int | None = None) -> Planes:
    """Cut `volume` into planes along its spatial `axis` (of the file), by default along the acquisition axis.

    Raises
    ------
    InputError
        If a 3D volume has no such axis.
    """
    orientation = display_orientation(volume)
    shape = [volume.spatial_shape[i] for i in orientation.order]
    spacing = [volume.spacing[i] for i in orientation.order]
    if len(shape) == 2:
        return Planes(prepared, orientation, -1, 1, (shape[0], shape[1]), (spacing[0], spacing[1]))
    if axis is None:
        along = acquisition_axis(shape, spacing)
    elif 0 <= axis < 3:
        along = orientation.order.index(axis)
    else:
        raise InputError(f"{volume.name} has the spatial axes 0, 1 and 2; it cannot be sliced along axis {axis}.")
    depth = shape.pop(along)
    spacing.pop(along)
    return Planes(prepared, orientation, along, depth, (shape[0], shape[1]), (spacing[0], spacing[1]))
