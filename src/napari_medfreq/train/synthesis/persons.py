"""Persons with several contrasts on one grid: their files, who is kept out, and their voxels ready for training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_medfreq.errors import DatasetError
from napari_medfreq.io.files import can_read, read, suffix_of
from napari_medfreq.nn.aegan_inputs import bounding_box, foreground, scaled
from napari_medfreq.volume import display_orientation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_medfreq.volume import Volume

_LESIONS = ("seg", "lesion")  # the truth; what another program marked has another name
_SAME_PLACE = 1e-2  # mm


@dataclass(frozen=True)
class Person:
    """One person's files.

    Attributes
    ----------
    name : str
        Of the folder.
    files : dict
        A file for each contrast.
    lesions : pathlib.Path or None
        A mask that an expert drew (``seg``), where there is one.
    """

    name: str
    files: dict[str, Path]
    lesions: Path | None = None


class Split(NamedTuple):
    """Who teaches and who tests."""

    train: list[Person]
    test: list[Person]


@dataclass(frozen=True)
class Study:
    """One person's voxels, in display orientation (feet first, front to back, right to left), cropped to the head.

    Attributes
    ----------
    name : str
        Of the person.
    stacks : numpy.ndarray, shape (n, Z, H, W), float16
        The contrasts, range [0, 1], see `napari_medfreq.nn.aegan_inputs.RULE`.
    head : numpy.ndarray of bool, shape (Z, H, W)
        Where any contrast shows the head.
    lesions : numpy.ndarray of bool or None
        On the same grid.
    """

    name: str
    stacks: npt.NDArray[np.float16]
    head: npt.NDArray[np.bool_]
    lesions: npt.NDArray[np.bool_] | None = None


def read_persons(folder: Path, contrasts: Sequence[str]) -> list[Person]:
    """Return the persons of `folder`, by name.

    Raises
    ------
    DatasetError
        If there is no such folder, nobody in it, or somebody who lacks a contrast or has it twice.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: there is no such folder. It must hold a folder for each person.")
    places = [place for place in sorted(folder.iterdir()) if place.is_dir() and not place.name.startswith(".")]
    persons = [_person(place, contrasts) for place in places]
    if not persons:
        wanted = ", ".join(contrasts)
        raise DatasetError(f"{folder} holds no folders; it must hold one for each person, with the files {wanted}.")
    return persons


def _person(place: Path, contrasts: Sequence[str]) -> Person:
    found: dict[str, list[Path]] = {}
    for file in sorted(place.iterdir()):
        if file.is_file() and can_read(file):
            found.setdefault(file.name[: -len(suffix_of(file)) or None].lower(), []).append(file)
    if missing := [name for name in contrasts if name not in found]:
        raise DatasetError(
            f"{place}: there is no file for {', '.join(missing)}. Each person needs {', '.join(contrasts)}."
        )
    if twice := [name for name in contrasts if len(found[name]) > 1]:
        raise DatasetError(f"{place}: there are several files for {twice[0]}; keep the one that is meant.")
    lesions = next((found[name][0] for name in _LESIONS if name in found), None)
    return Person(place.name, {name: found[name][0] for name in contrasts}, lesions)


def split_persons(persons: Sequence[Person], strata: Sequence[Sequence[str]], held_out: int, dataset: str) -> Split:
    """Keep persons of each stratum for testing: those whose name has the lowest hash, the same on every machine.

    The hash is that of `napari_medfreq.train.cases.split_cases`: SHA-256 of ``<dataset>:<name>``.

    Raises
    ------
    DatasetError
        If a stratum has nobody, or nobody is left to learn from.
    """
    train: list[Person] = []
    test: list[Person] = []
    for patterns in strata:
        members = [p for p in persons if any(fnmatchcase(p.name, pattern) for pattern in patterns)]
        if not members:
            raise DatasetError(f"nobody's name is like {' or '.join(patterns)}; correct the strata in [data].")
        ranked = sorted(members, key=lambda person: hashlib.sha256(f"{dataset}:{person.name}".encode()).digest())
        test += ranked[:held_out]
        train += ranked[held_out:]
    if not train:
        raise DatasetError(f"all {len(test)} persons are held out; nobody is left to learn from.")
    return Split(train, test)


def load_study(person: Person, contrasts: Sequence[str]) -> Study:
    """Read a person's voxels.

    Raises
    ------
    DatasetError
        If a contrast is no 3D volume, holds nothing, or lies on another grid than the first.
    FileError
        If a file cannot be read.
    """
    volumes = [_volume(person.files[name]) for name in contrasts]
    first = volumes[0]
    for volume in volumes[1:]:
        _check_grid(first, volume)
    orientation = display_orientation(first)
    shown = [orientation.apply(volume.data) for volume in volumes]
    head = np.logical_or.reduce([foreground(data) for data in shown])
    box = bounding_box(head)
    stacks = np.stack([scaled(data)[box].astype(np.float16) for data in shown])
    lesions = None
    if person.lesions is not None:
        drawn = _volume(person.lesions)
        _check_grid(first, drawn)
        lesions = orientation.apply(drawn.data)[box] > 0
    return Study(person.name, stacks, head[box], lesions)


def _volume(path: Path) -> Volume:
    volume: Any = read(path)[0]
    if volume.axes != "zyx":
        raise DatasetError(f"{path} is not a 3D volume but has the axes {volume.axes}; save one volume of it.")
    if not (np.asarray(volume.data) > 0).any():
        raise DatasetError(f"{path} holds nothing but zeros; export it again.")
    return volume  # type: ignore[no-any-return]


def _check_grid(first: Volume, other: Volume) -> None:
    if first.data.shape != other.data.shape or not np.allclose(first.affine, other.affine, atol=_SAME_PLACE):
        raise DatasetError(
            f"{other.source} does not lie on the grid of {first.source}: shape {other.data.shape[::-1]} instead of "
            f"{first.data.shape[::-1]}, or another affine. Register and resample the contrasts of a person first."
        )
