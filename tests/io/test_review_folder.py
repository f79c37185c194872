from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_medfreq.errors import FileError
from napari_medfreq.io import review_folder
from napari_medfreq.io.review import new_case
from napari_medfreq.io.review_folder import ReviewFolder
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (4, 30, 40)


def add_case(review: ReviewFolder, name: str = "t1") -> str:
    image = Volume(np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE), name=name)
    mask = image.like(np.zeros(SHAPE, np.uint8), kind="labels")
    case = new_case(name, image, mask, set(review.cases))
    review.add(case, mask.data)
    return case.id


def opened_elsewhere(path: Path) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys; from pathlib import Path; from napari_medfreq.io.review_folder import ReviewFolder\n"
        "from napari_medfreq.errors import FileError\n"
        "try:\n    ReviewFolder(Path(sys.argv[1]))\nexcept FileError as error:\n    sys.exit(str(error))"
    )
    return subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)


def test_everything_is_there_when_the_folder_is_opened_again(tmp_path: Path) -> None:
    with ReviewFolder(tmp_path / "review") as review:
        case = add_case(review)
        other = add_case(review, "t2")
        review.save_stroke(case, (1, 2, 3), np.ones((1, 5, 6), np.uint8))
        review.save_stroke(case, (1, 4, 3), np.zeros((1, 1, 6), np.uint8))  # an undo is a stroke as well
        review.set_state(case, 3, "accepted")
        review.set_state(case, 4, "flagged")
        review.set_state(case, 3, "corrected")
        expected = review.mask(case)
    assert expected.sum() == 24
    with ReviewFolder(tmp_path / "review") as review:
        assert list(review.cases) == [case, other]
        assert np.array_equal(review.mask(case), expected)
        assert not review.mask(other).any()
        assert [review.state(case, number) for number in (3, 4, 5)] == ["corrected", "flagged", "open"]


def test_two_windows_do_not_write_into_one_folder(tmp_path: Path) -> None:
    with ReviewFolder(tmp_path) as review:
        case = add_case(review)
        second = opened_elsewhere(tmp_path)
        assert "is open for review in another window" in second.stderr
        review.set_state(case, 1, "accepted")
    second = opened_elsewhere(tmp_path)
    assert second.returncode == 0, second.stderr


def test_a_line_that_was_cut_off_by_a_kill_costs_that_line_only(tmp_path: Path) -> None:
    with ReviewFolder(tmp_path) as review:
        case = add_case(review)
        review.set_state(case, 1, "accepted")
        review.save_stroke(case, (0, 0, 0), np.ones((1, 2, 2), np.uint8))
    events = tmp_path / "events.jsonl"
    content = events.read_bytes()
    for cut in range(content.rstrip().rfind(b"\n") + 1, len(content)):
        events.write_bytes(content[:cut])
        with ReviewFolder(tmp_path) as review:
            assert review.state(case, 1) == "accepted"
            assert not review.mask(case).any()
            review.set_state(case, 2, "flagged")
        with ReviewFolder(tmp_path) as review:
            assert review.state(case, 2) == "flagged"


def test_a_half_written_stroke_is_swept_away(tmp_path: Path) -> None:
    with ReviewFolder(tmp_path) as review:
        case = add_case(review)
    abandoned = tmp_path / "cases" / case / ".0123abcd.npz"
    abandoned.write_bytes(b"half")
    with ReviewFolder(tmp_path) as review:
        assert not review.mask(case).any()
    assert not abandoned.exists()


def test_many_strokes_become_one_mask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_folder, "_MANY_STROKES", 5)
    with ReviewFolder(tmp_path) as review:
        case = add_case(review)
        for column in range(7):
            review.save_stroke(case, (0, 0, column), np.ones((1, 1, 1), np.uint8))
    with ReviewFolder(tmp_path) as review:
        assert review.mask(case).sum() == 7
        assert not list((tmp_path / "cases" / case).glob("stroke-*"))
        review.save_stroke(case, (0, 0, 0), np.zeros((1, 1, 2), np.uint8))
    with ReviewFolder(tmp_path) as review:
        assert review.mask(case).sum() == 5


def test_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    with ReviewFolder(tmp_path) as review:
        add_case(review)
    (tmp_path / "review.json").write_text(json.dumps({"format": 99, "program": "napari-medfreq 9.0"}))
    before = {p: p.read_bytes() for p in tmp_path.rglob("*.json*")}
    with pytest.raises(FileError, match=r"made by a newer version \(napari-medfreq 9\.0\) and was not touched"):
        ReviewFolder(tmp_path)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*.json*")} == before


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("do not lose me")
    with pytest.raises(FileError, match="is not a review and not empty"):
        ReviewFolder(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "1"}', "{"])
def test_a_damaged_description_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "review.json").write_text(content)
    with pytest.raises(FileError, match=r"review\.json is damaged"):
        ReviewFolder(tmp_path)


def test_damage_in_the_middle_is_named_and_the_folder_is_free_again(tmp_path: Path) -> None:
    with ReviewFolder(tmp_path) as review:
        case = add_case(review)
    events = tmp_path / "events.jsonl"
    whole = events.read_bytes()
    events.write_bytes(b"garbage\n" + whole)
    with pytest.raises(FileError, match="line 1 is damaged"):
        ReviewFolder(tmp_path)
    events.write_bytes(whole)
    with ReviewFolder(tmp_path) as review:
        assert list(review.cases) == [case]


@pytest.mark.parametrize("file", ["mask-0.npz", "stroke-1.npz"])
def test_a_damaged_mask_is_named(tmp_path: Path, file: str) -> None:
    with ReviewFolder(tmp_path) as review:
        case = add_case(review)
        review.save_stroke(case, (0, 0, 0), np.ones((1, 1, 1), np.uint8))
        (tmp_path / "cases" / case / file).write_bytes(b"half")
        with pytest.raises(FileError, match=f"{file} is missing or damaged"):
            review.mask(case)


def test_a_case_is_taken_up_once(tmp_path: Path) -> None:
    with ReviewFolder(tmp_path) as review:
        case_id = add_case(review)
        case = review.cases[case_id]
        with pytest.raises(FileError, match="already holds a case 't1'"):
            review.add(case, np.zeros(SHAPE, np.uint8))


def test_an_unknown_state_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    with ReviewFolder(tmp_path) as review:
        case = add_case(review)
        with pytest.raises(ValueError, match="'done' is not one of open, corrected"):
            review.set_state(case, 1, "done")  # type: ignore[arg-type]


def accept_nine(review: ReviewFolder, case: str) -> None:
    for number in range(9):
        review.set_state(case, number, "accepted")


@pytest.mark.parametrize("free", [10, 200])
def test_a_full_disk_keeps_all_that_was_saved_before(tmp_path: Path, free: int) -> None:
    """No file may grow over its limit: the system then fails in the middle of a write, as it does on a full disk."""
    resource = pytest.importorskip("resource", reason="Windows has no limit on the size of files")
    with ReviewFolder(tmp_path) as review:
        case = add_case(review)
        review.save_stroke(case, (0, 0, 0), np.ones((1, 2, 2), np.uint8))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "events.jsonl").stat().st_size + free, limits[1]))
        noise = np.random.default_rng(0).integers(0, 255, (1, 30, 40), np.uint8)
        try:
            with pytest.raises(FileError, match="the disk is full"):
                review.save_stroke(case, (0, 0, 0), noise)
            with pytest.raises(FileError, match="the disk is full"):
                accept_nine(review, case)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        review.set_state(case, 9, "flagged")
    with ReviewFolder(tmp_path) as review:
        assert review.mask(case).sum() == 4
        assert review.state(case, 9) == "flagged"
