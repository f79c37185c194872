from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_medfreq.errors import FileError
from napari_medfreq.io.review_files import is_review, numbers, read_arrays, read_events

if TYPE_CHECKING:
    from pathlib import Path


def test_only_who_may_write_cuts_off_an_unfinished_line(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    log.write_bytes(b'{"kind": "case", "case": "a"}\n{"kind": "sta')
    assert [event["case"] for event in read_events(tmp_path)] == ["a"]
    assert log.read_bytes().endswith(b"sta")
    assert len(list(read_events(tmp_path, mend=True))) == 1
    assert log.read_bytes().endswith(b"}\n")


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text('{"kind": "case", "case": "a"}\nnonsense\n')
    with pytest.raises(FileError, match=r"events\.jsonl, line 2 is damaged"):
        list(read_events(tmp_path))


def test_masks_are_counted_by_number_and_not_by_letter(tmp_path: Path) -> None:
    for number in (2, 10, 1):
        np.savez(tmp_path / f"mask-{number}.npz", mask=np.zeros(1))
    (tmp_path / "mask-x.npz").touch()
    assert numbers(tmp_path, "mask") == [1, 2, 10]


def test_damaged_arrays_are_named_and_what_is_no_review_is_known(tmp_path: Path) -> None:
    (tmp_path / "mask-0.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(FileError, match=r"mask-0\.npz is missing or damaged"):
        read_arrays(tmp_path / "mask-0.npz")
    assert not is_review(tmp_path)
