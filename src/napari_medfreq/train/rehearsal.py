"""Earlier data: what a model must not forget while it learns, and what shows whether it did."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_medfreq.errors import DatasetError
from napari_medfreq.train.cases import read_cases, split_cases

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_medfreq.io.model_config import ModelFolder
    from napari_medfreq.train.cases import Case, Split
    from napari_medfreq.train.corrections import Corrections

_LARGEST: dict[Split, int | None] = {"train": 48, "validation": 24, "test": None}
"""Cases of each set: enough to remember it by, and few enough to be read in seconds."""


@dataclass(frozen=True)
class Earlier:
    """Cases of the model's own sets, divided as they were when it was trained.

    Attributes
    ----------
    train : list of Case
        To rehearse.
    validation : list of Case
        To choose by.
    test : list of Case
        To measure with.
    """

    train: list[Case]
    validation: list[Case]
    test: list[Case]


def read_earlier(sources: Sequence[Path], model: ModelFolder, corrections: Corrections) -> Earlier | None:
    """Return the earlier cases that are at hand, or None without any source.

    They are those of the sets that the model's card states figures of and of the modalities that it is for. Corrected
    images and all of their groups are left out: they would count twice, or teach what is to be measured.

    Raises
    ------
    DatasetError
        If an index cannot be read, or holds nothing that the model has learned from.
    """
    if not sources:
        return None
    cases = [case for source in sources for case in read_cases(source)]
    known = set(model.card.metrics) & {case.dataset for case in cases}
    files = corrections.files
    corrected = {case.group for case in cases if case.image.resolve() in files}
    corrected |= {correction.group for correction in (*corrections.train, *corrections.held_out)}
    own = [
        case
        for case in cases
        if (not known or case.dataset in known)
        and (not model.input.modalities or not case.task or case.task in model.input.modalities)
        and case.group not in corrected
    ]
    # Dealt with all cases: whether a published split is trusted depends on all of a set.
    dealt = split_cases(cases)
    kept = set(own)
    parts = {split: _few([case for case in part if case in kept], _LARGEST[split]) for split, part in dealt.items()}
    if not parts["train"]:
        raise DatasetError(
            f"{', '.join(map(str, sources))}: nothing in it is of the sets that {model.name} was trained on "
            f"({', '.join(model.card.metrics) or 'unknown'}). Give the index that it was trained with, or none."
        )
    return Earlier(parts["train"], parts["validation"], parts["test"])


def _few(cases: list[Case], largest: int | None) -> list[Case]:
    """Return at most `largest` cases of each set, the same on every machine."""
    if largest is None:
        return cases
    sets: defaultdict[str, list[Case]] = defaultdict(list)
    for case in sorted(cases, key=lambda c: hashlib.sha256(f"{c.dataset}:{c.id}".encode()).digest()):
        sets[case.dataset].append(case)
    return [case for part in sets.values() for case in part[:largest]]
