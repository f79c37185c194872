"""Which images there are, and which of them a model may see.

The split is made by `group` (a person, an endoscopy sequence), never by image. A set's published split is used where it
keeps every group on one side; else groups are dealt by a hash of their name, which gives the same split on every
machine.
"""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from napari_medfreq.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

Split = Literal["train", "validation", "test"]

_TEST_SHARE, _VALIDATION_SHARE = 0.15, 0.08
_COLUMNS = ("dataset", "id", "image", "mask", "group")


@dataclass(frozen=True)
class Case:
    """An image with its truth.

    Attributes
    ----------
    dataset, id, group : str
        The set, the case's name in it, and what must not be divided by a split.
    image, mask : pathlib.Path
        The files.
    task : str
        What is marked, where the index says so (``modality``), else empty.
    published_split : str
        ``train``, ``test`` or empty.
    """

    dataset: str
    id: str
    group: str
    image: Path
    mask: Path
    task: str = ""
    published_split: str = ""


def read_cases(source: Path) -> list[Case]:
    """Return the cases of an index file or of a folder with ``images`` and ``masks``."""
    return read_folder(source) if source.is_dir() else read_index(source)


def read_index(path: Path) -> list[Case]:
    """Return the cases of a CSV file with the columns dataset, id, image, mask, group.

    The columns modality and published_split are used where they are there. Paths are relative to the file's folder; a
    case without a group is a group of its own.

    Raises
    ------
    DatasetError
        If it cannot be read, or columns or the files of a row are missing.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if missing := [c for c in _COLUMNS if c not in (reader.fieldnames or ())]:
                raise DatasetError(f"{path}: the index lacks the columns {', '.join(missing)}.")
            return [_case(row, path, reader.line_num) for row in reader]
    except OSError as error:
        raise DatasetError(f"{path}: the index cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: this is not a CSV file: {error}.") from error


def _case(row: dict[str, str | None], index: Path, line: int) -> Case:
    dataset, name, image, mask = (row[column] or "" for column in ("dataset", "id", "image", "mask"))
    if not (dataset and name and image and mask):
        raise DatasetError(f"{index}, line {line}: the row lacks a dataset, id, image or mask; complete or delete it.")
    return Case(
        dataset=dataset,
        id=name,
        group=row["group"] or f"{dataset}:{name}",
        image=index.parent / image,
        mask=index.parent / mask,
        task=row.get("modality") or "",
        published_split=row.get("published_split") or "",
    )


def read_folder(path: Path) -> list[Case]:
    """Return the cases of a folder whose ``images`` and ``masks`` hold files of the same names.

    Raises
    ------
    DatasetError
        If there are none, or images lack their masks.
    """
    images = {p.name: p for p in sorted((path / "images").glob("*")) if not p.name.startswith(".")}
    masks = {p.name: p for p in (path / "masks").glob("*")}
    if not images:
        raise DatasetError(f"{path}: there is no folder 'images' with files in it.")
    if alone := sorted(set(images) - set(masks)):
        raise DatasetError(f"{path}: {len(alone)} images have no file of the same name in 'masks', e.g. {alone[0]}.")
    name = path.resolve().name
    return [
        Case(name, file.split(".")[0], f"{name}:{file.split('.')[0]}", image, masks[file])
        for file, image in images.items()
    ]


def split_cases(cases: list[Case]) -> dict[Split, list[Case]]:
    """Deal the cases; a group is never divided."""
    sides: defaultdict[str, set[str]] = defaultdict(set)
    for case in cases:
        sides[case.group].add(case.published_split)
    trusted = {case.dataset for case in cases} - {
        case.dataset for case in cases if sides[case.group] not in ({"train"}, {"test"})
    }
    dealt: dict[Split, list[Case]] = {split: [] for split in get_args(Split)}
    for case in cases:
        dealt[_side(case, published=case.dataset in trusted)].append(case)
    return dealt


def _side(case: Case, *, published: bool) -> Split:
    digest = hashlib.sha256(case.group.encode()).digest()
    draw = int.from_bytes(digest[:8], "big") / 2**64
    if published:
        if case.published_split == "test":
            return "test"
        draw = _TEST_SHARE + draw * (1 - _TEST_SHARE)
    if draw < _TEST_SHARE:
        return "test"
    return "validation" if draw < _TEST_SHARE + _VALIDATION_SHARE else "train"
