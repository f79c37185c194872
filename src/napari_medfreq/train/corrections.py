"""What an annotator corrected, as something to learn from: of a review, or of any folder of images and masks."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_medfreq.errors import DatasetError, MedfreqError
from napari_medfreq.io.files import read
from napari_medfreq.io.review_files import is_review
from napari_medfreq.io.review_reading import ReviewReader
from napari_medfreq.train.cases import read_cases
from napari_medfreq.train.packing import Packed, prepare
from napari_medfreq.train.reliability import classes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_medfreq.io.model_config import ModelFolder
    from napari_medfreq.train.cases import Case
    from napari_medfreq.volume import Volume

HELD_OUT = 5
"""One correction in so many is kept out of the training, to measure what it brought."""


@dataclass(frozen=True)
class Correction:
    """An image whose mask a person corrected or accepted.

    Attributes
    ----------
    name : str
        What messages call it.
    group : str
        What must not be divided between training and the held-out fifth: a person, a sequence, else the image itself.
    file : pathlib.Path
        Of the image.
    load : callable
        Returns image and mask.
    """

    name: str
    group: str
    file: Path
    load: Callable[[], tuple[Volume, Volume]]


@dataclass(frozen=True)
class Corrections:
    """All of them, divided.

    Attributes
    ----------
    train, held_out : tuple of Correction
        To learn from, and to measure with.
    left_out : tuple of str
        Why some of the source's images are in neither.
    """

    train: tuple[Correction, ...]
    held_out: tuple[Correction, ...]
    left_out: tuple[str, ...] = ()

    @property
    def files(self) -> set[Path]:
        """The image files of all."""
        return {correction.file.resolve() for correction in (*self.train, *self.held_out)}


def read_corrections(source: Path) -> Corrections:
    """Return what there is to learn in `source`.

    Parameters
    ----------
    source : pathlib.Path
        A review folder (which may be open in a viewer), a folder with ``images`` and ``masks``, or an index file. Of a
        review the cases count in which a region was corrected or accepted; what was not looked at in them is taken as
        the model left it.

    Raises
    ------
    DatasetError
        If it holds fewer than two images, persons or sequences to learn from: one is needed to measure with.
    FileError
        If it is damaged.
    """
    if not source.exists():
        raise DatasetError(f"{source}: there is no such review, folder or index file.")
    left_out: list[str] = []
    found = _of_review(source, left_out) if is_review(source) else [_of_case(case) for case in read_cases(source)]
    train, held_out = hold_out(found)
    if not train or not held_out:
        why = f" Left out: {'; '.join(left_out)}" if left_out else ""
        raise DatasetError(
            f"{source}: there are corrections of {len(found)} images (or of one person only). At least two are "
            f"needed, because a fifth is kept out to measure what was learned.{why}"
        )
    return Corrections(tuple(train), tuple(held_out), tuple(left_out))


def hold_out(corrections: Sequence[Correction]) -> tuple[list[Correction], list[Correction]]:
    """Divide by group: the larger part, and a fifth, chosen by a hash of the names and so the same on every machine."""
    groups: defaultdict[str, list[Correction]] = defaultdict(list)
    for correction in corrections:
        groups[correction.group].append(correction)
    order = sorted(groups, key=lambda group: hashlib.sha256(group.encode()).digest())
    kept: list[Correction] = []
    out: list[Correction] = []
    for group in order:
        enough = len(out) * HELD_OUT >= len(corrections)
        (kept if enough else out).extend(groups[group])
    return kept, out


def _of_case(case: Case) -> Correction:
    return Correction(
        f"{case.dataset} {case.id}", case.group, case.image, lambda: (read(case.image)[0], read(case.mask)[0])
    )


def _of_review(path: Path, left_out: list[str]) -> list[Correction]:
    reader = ReviewReader(path)
    found = []
    for case in reader.decided():
        source = case.grid.source
        if source is None:
            left_out.append(f"{case.name} (its image was never saved to a file)")
            continue
        try:
            reader.image(case)
        except MedfreqError as error:
            left_out.append(f"{case.name} ({error})")
            continue
        found.append(
            Correction(
                case.name,
                f"{source.name}:{case.digest}",
                source,
                lambda case=case: (reader.image(case), reader.mask_volume(case)),  # type: ignore[misc]
            )
        )
    return found


def pack_corrections(corrections: Sequence[Correction], model: ModelFolder) -> Packed:
    """Return samples as `napari_medfreq.train.packing.pack` does; images whose mask is empty stay, they teach as well.

    Raises
    ------
    DatasetError
        If an image does not fit the model, or a mask holds none of its labels but others.
    """
    parts = []
    for number, correction in enumerate(corrections):
        image, mask = correction.load()
        images, masks = prepare(image, mask, model.input, model.input.size)
        parts.append((images, _classes(masks, model, correction.name), np.full(len(images), number, np.int32)))
    return Packed(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _classes(masks: npt.NDArray[np.uint8], model: ModelFolder, name: str) -> npt.NDArray[np.uint8]:
    """Return classes, 0 for the background and 1 to K, for the values of a mask."""
    values = tuple(label.value for label in model.labels)
    if len(values) == 1:
        return (masks > 0).astype(np.uint8)
    if unknown := sorted(set(np.unique(masks).tolist()) - {0, *values}):
        known = ", ".join(f"{label.value} ({label.name})" for label in model.labels)
        raise DatasetError(
            f"{name}: the mask holds the values {', '.join(map(str, unknown))}, which are no labels of {model.name}: "
            f"{known}. Change them or leave the image out."
        )
    return classes(masks, values).astype(np.uint8)


def fingerprint(packed: Sequence[Packed]) -> str:
    """Return a hash of everything that is learned from and measured with."""
    digest = hashlib.sha256()
    for part in packed:
        for array in (part.images, part.masks):
            digest.update(str(array.shape).encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
