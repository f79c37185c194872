"""The contrasts of one person, checked and brought onto one grid before anything is made of them. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medfreq.engine.synthesis_options import SYNTHETIC
from napari_medfreq.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from napari_medfreq.volume import Volume

_SAME_PLACE = 1e-2  # mm
_APART, _DOUBTFUL = 0.75, 0.95  # Dice coefficient of two contrasts' heads
_EDGES = 0.44  # correlation of edges: at least 0.46 within each of seven persons, at most 0.42 between two in one atlas
_MARGIN = 5  # voxels: the edge of the head itself is everybody's
_AIR = -300.0  # Hounsfield units
_AIR_SHARE = 0.05
_EMPTY_SHARE = 0.3
_COARSE = 2.0  # mm
_NOISE = 0.05


@dataclass(frozen=True)
class Contrasts:
    """Contrasts on one grid.

    Attributes
    ----------
    volumes : dict
        By name; the first is the reference, the others lie on its grid.
    notes : tuple of str
        What the user should know.
    """

    volumes: dict[str, Volume]
    notes: tuple[str, ...]

    @property
    def reference(self) -> Volume:
        """The contrast whose grid the result has."""
        return next(iter(self.volumes.values()))


def prepare(volumes: Mapping[str, Volume]) -> Contrasts:
    """Check what is offered, and resample what lies on another grid onto the first.

    Parameters
    ----------
    volumes : mapping of str to Volume
        The inputs by contrast; the first one gives the grid.

    Raises
    ------
    InputError
        If one is not a 3D volume, holds nothing, is a CT or another one once more, or they do not show one head in one
        place.
    """
    notes: list[str] = []
    for name, volume in volumes.items():
        _check_one(name, volume)
    for one, other in combinations(volumes, 2):
        _check_pair(one, volumes[one], other, volumes[other])
    first = next(iter(volumes))
    reference = volumes[first]
    placed: dict[str, Volume] = {first: reference}
    for name, volume in volumes.items():
        if name == first:
            continue
        if not _same_grid(reference, volume):
            notes.append(
                f"{name} lies on another grid than {first} (shape {_shape(volume)} instead of {_shape(reference)}, or "
                f"another affine): it was resampled onto that of {first}, linearly. It was not registered."
            )
            volume = resampled(volume, reference)
        placed[name] = volume
    notes += _agreement(placed)
    notes += _doubts(placed)
    return Contrasts(placed, tuple(notes))


def resampled(volume: Volume, reference: Volume) -> Volume:
    """Return `volume` on the grid of `reference`, linearly, 0 outside of its field of view."""
    from scipy import ndimage

    # Affines count x, y, z; the data z, y, x.
    between = np.linalg.inv(volume.affine) @ reference.affine
    matrix, offset = between[:3, :3][::-1, ::-1], between[:3, 3][::-1]
    data = ndimage.affine_transform(
        np.nan_to_num(np.asarray(volume.data, np.float32)), matrix, offset, reference.data.shape, order=1, cval=0.0
    )
    return replace(reference, data=data, name=volume.name, source=volume.source)


def _check_one(name: str, volume: Volume) -> None:
    if volume.axes != "zyx":
        kind = "a series of frames" if "t" in volume.axes else "several channels" if "c" in volume.axes else "a picture"
        raise InputError(
            f"{name}: {volume.name} is not one 3D volume but {kind} {volume.data.shape}. Save the one volume that is "
            f"the {name} to a file of its own."
        )
    data = np.asarray(volume.data)
    if data.dtype.kind not in "buif":
        raise InputError(f"{name}: {volume.name} holds no real numbers ({data.dtype}).")
    modality = str(volume.header.get("dicom", {}).get("modality", "MR"))
    if modality != "MR" or float((data < _AIR).mean()) > _AIR_SHARE:
        why = f"its header says {modality}" if modality != "MR" else f"much of it lies below {_AIR:.0f}, as air in CT"
        raise InputError(f"{name}: {volume.name} is not MR ({why}). The model knows MR only; choose another file.")
    if not (data > 0).any():
        raise InputError(f"{name}: {volume.name} holds nothing but zeros. Export it again.")


def _check_pair(one: str, first: Volume, other: str, second: Volume) -> None:
    if first.data.shape == second.data.shape and np.array_equal(first.data, second.data):
        raise InputError(f"{one} and {other} are the same image ({first.name}). Each contrast must be given its own.")


def _agreement(volumes: Mapping[str, Volume]) -> list[str]:
    """Compare where the heads are; one person's contrasts show one head."""
    notes = []
    heads = {name: _head(volume.data) for name, volume in volumes.items()}
    first = next(iter(heads))
    for name in list(heads)[1:]:
        both = int((heads[first] & heads[name]).sum())
        dice = 2 * both / max(int(heads[first].sum() + heads[name].sum()), 1)
        if dice < _APART:
            raise InputError(
                f"{name} does not show the head where {first} does (they share {dice:.0%}): they are of different "
                "persons, or not registered. Register them first, or choose the right files."
            )
        if dice < _DOUBTFUL:
            notes.append(
                f"{name} and {first} share only {dice:.0%} of the head: check that they are registered, and of one "
                "person."
            )
        elif (alike := _edges_alike(volumes[first].data, volumes[name].data, heads[first] & heads[name])) < _EDGES:
            notes.append(
                f"the edges in {name} do not lie where they do in {first} (correlation {alike:.2f}): they are probably "
                "of different persons, or not registered. What is made of them means nothing then."
            )
    return notes


def _edges_alike(one: npt.NDArray[Any], other: npt.NDArray[Any], head: npt.NDArray[np.bool_]) -> float:
    """Return how the gradients of two contrasts correlate within the head, in the middle third of the planes.

    Contrasts of one person show the same borders, brighter or darker; so do not two persons, even in one atlas.
    """
    from scipy import ndimage

    middle = slice(len(head) // 3, max(2 * len(head) // 3, len(head) // 3 + 1))
    inside = np.stack([ndimage.binary_erosion(plane, iterations=_MARGIN) for plane in head[middle]])
    if not inside.any():
        return 1.0
    steps = []
    for data in (one, other):
        found = ndimage.gaussian_gradient_magnitude(np.asarray(data[middle], np.float32), 1.0)[inside]
        steps.append(np.minimum(found, np.percentile(found, 98)))
    return float(np.corrcoef(*steps)[0, 1]) if all(step.std() > 0 for step in steps) else 1.0


def _doubts(volumes: Mapping[str, Volume]) -> list[str]:
    notes = []
    if unstripped := [n for n, v in volumes.items() if float((np.asarray(v.data) == 0).mean()) < _EMPTY_SHARE]:
        notes.append(
            f"{', '.join(unstripped)}: the background is not 0, so the skull is probably still there. The model was "
            "trained on skull-stripped brains; strip the skull first."
        )
    reference = next(iter(volumes.values()))
    if reference.calibrated and max(reference.spacing) > _COARSE:
        notes.append(
            f"the voxels are {max(reference.spacing):.1f} mm apart; the model was trained at about 1 mm and knows "
            "less of thick slices."
        )
    if made := [n for n, v in volumes.items() if SYNTHETIC in str(v.header.get("synthetic", ""))]:
        notes.append(f"{', '.join(made)} was itself synthesised: what is made of it is a guess from a guess.")
    return notes


def _head(data: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return the voxels above 5 % of the bright ones, holes (dark fluid) filled plane by plane."""
    from scipy import ndimage

    bright = float(np.percentile(data[data > 0], 99.9)) if (data > 0).any() else 0.0
    mask = np.asarray(data > _NOISE * bright) if bright else np.zeros(data.shape, bool)
    return np.stack([ndimage.binary_fill_holes(plane) for plane in mask])


def _same_grid(one: Volume, other: Volume) -> bool:
    return one.data.shape == other.data.shape and np.allclose(one.affine, other.affine, atol=_SAME_PLACE)


def _shape(volume: Volume) -> str:
    return "x".join(map(str, volume.data.shape[::-1]))
