"""From a review folder back to what was on screen: the image from where it was, the mask with every stroke."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_medfreq.errors import FileError, MedfreqError
from napari_medfreq.io.files import read
from napari_medfreq.io.review import RegionVoxels, check_source, new_case, voxel_digest
from napari_medfreq.widgets.layers import layers_of, result_tuple
from napari_medfreq.widgets.review.cases import OpenCase, turn_of
from napari_medfreq.widgets.volumes import volume_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt
    from napari.layers import Layer

    from napari_medfreq.io.review import Queue, ReviewCase, State
    from napari_medfreq.io.review_folder import ReviewFolder
    from napari_medfreq.volume import Volume
    from napari_medfreq.widgets.review.inputs import Choice, Gathered


@dataclass(frozen=True, eq=False)
class Restored:
    """A case of a folder, ready to be shown.

    Attributes
    ----------
    case : ReviewCase
        What the folder says of it.
    mask : numpy.ndarray
        With every stroke.
    voxels : RegionVoxels
        Of its regions.
    states : dict
        What became of each region, by its number.
    image : napari.layers.Layer or None
        Where the image was found: a layer of the viewer, or a new one. None where it was not.
    problem : str
        Why not; `missing` says whether another place could help.
    missing : bool
        Whether the file was not there.
    """

    case: ReviewCase
    mask: npt.NDArray[np.generic]
    voxels: RegionVoxels
    states: dict[int, State]
    image: Layer | None = None
    problem: str = ""
    missing: bool = False


def restore(folder: ReviewFolder, layers: Sequence[Layer]) -> list[Restored]:
    """Return the cases of `folder`; may take long: call it in the folder's thread.

    Parameters
    ----------
    folder : ReviewFolder
        Open for writing.
    layers : sequence of napari.layers.Layer
        The images that are open already.

    Raises
    ------
    FileError
        If a mask or the voxels of the regions are missing or damaged.
    """
    found = []
    for case in folder.cases.values():
        mask, voxels = folder.mask(case.id), folder.voxels(case.id)
        states = {region.number: folder.state(case.id, region.number) for region in case.regions}
        found.append(with_image(Restored(case, mask, voxels, _mended(states, mask, voxels)), layers))
    return found


def with_image(restored: Restored, layers: Sequence[Layer], path: Path | None = None) -> Restored:
    """Return `restored` with its image: one of `layers`, else read from `path` or from where it was."""
    case = restored.case
    for layer in layers:
        if tuple(_volume(layer).spatial_shape) == case.grid.spatial_shape and _is_image_of(case, layer):
            return replace(restored, image=layer, problem="", missing=False)
    source = path or case.grid.source
    if source is None or not source.exists():
        where = "the file it came from is not known" if source is None else f"{source} is not there"
        problem = f"The image of {case.name} was not found: {where}. Choose its file, or open it first."
        return replace(restored, problem=problem, missing=True)
    try:
        return replace(restored, image=_image_in(case, source), problem="", missing=False)
    except MedfreqError as error:
        return replace(restored, problem=str(error), missing=False)


def show(restored: Restored, present: Sequence[Layer]) -> OpenCase:
    """Return the case with a new layer of its mask, and of its image unless that is among `present`."""
    from napari.layers import Layer

    case, image = restored.case, restored.image
    if image is None:
        raise FileError(restored.problem)
    grid = case.grid.like(restored.mask, axes=case.grid.axes, kind="labels", name=f"{case.name} labels")
    labels = Layer.create(*result_tuple(grid, image, case.labels))
    own = (labels,) if image in present else (image, labels)
    saved = np.array(restored.mask)
    return OpenCase(case, image, labels, turn_of(labels, image), restored.voxels, saved, own=own)


def begin_case(choice: Choice, gathered: Gathered, queue: Queue, taken: set[str]) -> OpenCase:
    """Return a new case of `choice`, in which `queue` was found; may take long: call it in a thread."""
    mask = gathered.request.labels
    case = replace(
        new_case(choice.image.name, gathered.image, mask, taken),
        model=gathered.model,
        labels=gathered.names,
        regions=queue.regions,
        expected_dice=queue.expected_dice,
    )
    voxels = RegionVoxels.of(np.asarray(queue.map), mask.data)
    maps = (*choice.probability, *(() if choice.uncertainty is None else (choice.uncertainty,)))
    turn = turn_of(choice.labels, choice.image)
    return OpenCase(case, choice.image, choice.labels, turn, voxels, np.array(mask.data), maps)


def _mended(states: dict[int, State], mask: npt.NDArray[np.generic], voxels: RegionVoxels) -> dict[int, State]:
    """Count a region as corrected whose strokes were saved, but not what they made of it before the window went."""
    changed = mask.reshape(-1)[voxels.places] != voxels.values
    for number in np.unique(voxels.owners[changed]):
        if states.get(int(number)) in ("open", "accepted"):
            states[int(number)] = "corrected"
    return states


def _image_in(case: ReviewCase, source: Path) -> Layer:
    """Return the layer of the file `source` that is under review.

    Raises
    ------
    FileError
        If there is none: the file was changed.
    """
    layers = [layer for volume in read(source) for layer in layers_of(volume)]
    for layer in layers:
        if _is_image_of(case, layer):
            return layer
    check_source(case, _volume(layers[0]))
    return layers[0]


def _is_image_of(case: ReviewCase, layer: Layer) -> bool:
    return voxel_digest(_volume(layer)) == case.digest


def _volume(layer: Layer) -> Volume:
    return volume_of(layer)
