"""One plane of an image on its way through a model, just as a segmentation would take it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_medfreq.engine.anatomy import PLANES
from napari_medfreq.engine.device import pick_device
from napari_medfreq.engine.grid import Grid, grid_for
from napari_medfreq.engine.memory import first_footprint
from napari_medfreq.engine.outputs import decide
from napari_medfreq.engine.preprocess import prepare
from napari_medfreq.engine.slices import cut
from napari_medfreq.engine.tiling import predict_tiled
from napari_medfreq.errors import InputError
from napari_medfreq.nn.inputs import gather, neighbour_indices, rescale
from napari_medfreq.volume import Volume, display_orientation

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

    from napari_medfreq.engine.anatomy import Plane
    from napari_medfreq.engine.options import Sink
    from napari_medfreq.engine.predictor import Predictor
    from napari_medfreq.engine.segmenter import Segmenter


@dataclass(frozen=True, eq=False)
class ModelPlane:
    """One plane, with the neighbours that the model sees beside it.

    Attributes
    ----------
    segmenter : Segmenter
        The model.
    stack : Volume
        The plane and its neighbours in the channels of the model, axes ``cyx``, each plane with all its channels; a
        plane is held once, also where it is seen several times.
    ranges : tuple of (float, float)
        For each entry of `stack` the intensities that become 0 and 1.
    order : numpy.ndarray, shape (1, slices)
        Which planes of `stack` the model sees, from below to above.
    repeat : int
        How often the one channel is repeated (grey to a model of colours).
    grid : Grid
        From the plane's pixels to the model's.
    """

    segmenter: Segmenter
    stack: Volume
    ranges: tuple[tuple[float, float], ...]
    order: npt.NDArray[np.intp]
    repeat: int
    grid: Grid

    @property
    def spacing(self) -> tuple[float, float]:
        """Of the model's pixels, vertical and horizontal, in mm (in pixels of the plane where not calibrated)."""
        rows, columns = (
            step * native / working
            for step, native, working in zip(self.stack.spacing, self.grid.native, self.grid.working, strict=True)
        )
        return rows, columns

    @property
    def predictor(self) -> Predictor:
        """The network, float32, where the segmenter computes."""
        return self.segmenter.predictor(pick_device(), "float32")

    def images(self, stack: npt.NDArray[Any] | None = None) -> Tensor:
        """Return what the model sees, (1, C, H, W), of `stack` in place of the plane's own."""
        planes = self.stack.data if stack is None else stack
        scaled = np.stack([rescale(plane, *limits) for plane, limits in zip(planes, self.ranges, strict=True)])
        count = int(self.order.max()) + 1
        tensor = torch.from_numpy(scaled.reshape(count, -1, *scaled.shape[-2:]))
        if self.repeat > 1:
            tensor = tensor.expand(-1, self.repeat, -1, -1)
        return self.grid.to_working(gather(tensor, self.order))

    def mask(self, images: Tensor, sink: Sink, threshold: float = 0.5) -> npt.NDArray[np.uint8]:
        """Return the mask of the plane, (H, W), for `images`."""
        predictor = self.predictor
        tile = first_footprint(predictor.device, self.grid.padded).tile

        def predict(part: Tensor) -> Tensor:
            return predictor(part, None, sink.check)

        with torch.inference_mode():
            mean = self.grid.to_native(predict_tiled(images, tile, predict, lambda: None))
            mask: npt.NDArray[np.uint8] = decide(mean, self.segmenter.folder.labels, threshold)[0].numpy()
        return mask


def model_plane(
    segmenter: Segmenter, volume: Volume, plane: Plane, index: int, sink: Sink, frame: int = 0
) -> ModelPlane:
    """Return plane `index` of `volume` as `segmenter` sees it.

    Parameters
    ----------
    segmenter : Segmenter
        The model.
    volume : Volume
        The whole image: intensities are normalised over it, and the model may look at neighbouring planes.
    plane, index, frame
        As in `napari_medfreq.engine.anatomy.plane_of`.
    sink : Sink
        Told what the user should know.

    Raises
    ------
    InputError
        If the image does not fit the model, or has no such plane.
    """
    spec = segmenter.folder.input
    prepared = prepare(volume, spec)
    for note in prepared.notes:
        sink.note(note)
    if prepared.constant:
        raise InputError(f"{volume.name} has the same value everywhere: there is nothing to look for in it.")
    if prepared.lead == "c":
        sink.note(f"{segmenter.folder.title} sees the channels of {volume.name} one by one; this is the first of them.")
        frame = 0
    flat = len(volume.spatial_axes) == 2
    planes = cut(volume, prepared, None if flat else display_orientation(volume).order[PLANES.index(plane)])
    if not (0 <= index < planes.depth and 0 <= frame < planes.frames):
        raise InputError(
            f"{volume.name} has {planes.depth} {plane} planes in {planes.frames} frames, both counted from 0; there is "
            f"no plane {index} in frame {frame}."
        )
    spatial = prepared.data[frame]
    turned = spatial[None] if flat else np.moveaxis(planes.orientation.apply(spatial), planes.axis + 1, 0)
    indices = neighbour_indices(np.array([index]), spec.slices, planes.depth)
    needed, order = np.unique(indices, return_inverse=True)
    stack = turned[needed].reshape(-1, *planes.shape)
    height, width = planes.spacing
    return ModelPlane(
        segmenter,
        Volume(stack, np.diag([width, height, 1.0, 1.0]), "cyx", name=volume.name, calibrated=volume.calibrated),
        prepared.ranges[frame] * len(needed),
        order.reshape(indices.shape),
        prepared.repeat,
        grid_for(planes, spec),
    )
