from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_medfreq.errors import FileError
from napari_medfreq.io import review_folder
from napari_medfreq.io.files import read, write
from napari_medfreq.io.review import new_case
from napari_medfreq.io.review_folder import ReviewFolder
from napari_medfreq.io.review_reading import ReviewReader
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from pathlib import Path


def reviewed(review: ReviewFolder, file: Path, shape: tuple[int, ...] = (5, 12, 9)) -> str:
    """Take up an image that lies in `file`, with an empty mask."""
    affine = np.diag([0.5, 0.7, 2.0, 1.0])
    voxels = np.random.default_rng(len(review.cases)).integers(0, 900, shape).astype(np.int16)
    write(Volume(voxels, affine, name=file.stem), file)
    image = read(file)[0]
    case = new_case(file.stem, image, image.like(np.zeros(shape, np.uint8), kind="labels"), set(review.cases))
    review.add(case, np.zeros(shape, np.uint8))
    return case.id


def test_a_review_is_read_while_a_viewer_writes_to_it(tmp_path: Path) -> None:
    with ReviewFolder(tmp_path / "review") as review:
        first, second = (reviewed(review, tmp_path / f"{name}.nii.gz") for name in ("a", "b"))
        review.save_stroke(first, (1, 2, 3), np.ones((1, 4, 2), np.uint8))
        review.set_state(first, 1, "corrected")
        review.set_state(second, 1, "flagged")
        files = {p: p.read_bytes() for p in (tmp_path / "review").rglob("*") if p.is_file()}
        reader = ReviewReader(tmp_path / "review")
        assert [case.id for case in reader.cases] == [first, second]
        assert [case.id for case in reader.decided()] == [first]
        case = reader.decided()[0]
        mask, image = reader.mask_volume(case), reader.image(case)
        assert np.array_equal(mask.data, review.mask(first))
        assert mask.data.sum() == 8
        assert np.allclose(mask.affine, image.affine)
        assert {p: p.read_bytes() for p in (tmp_path / "review").rglob("*") if p.is_file()} == files
        review.set_state(second, 1, "accepted")
        assert len(ReviewReader(tmp_path / "review").decided()) == 2


def test_a_decision_that_was_taken_back_no_longer_counts(tmp_path: Path) -> None:
    with ReviewFolder(tmp_path / "review") as review:
        case = reviewed(review, tmp_path / "a.nii.gz")
        review.set_state(case, 1, "accepted")
        review.set_state(case, 1, "open")
    assert ReviewReader(tmp_path / "review").decided() == []


def test_a_line_that_is_being_written_is_passed_over_and_left_alone(tmp_path: Path) -> None:
    with ReviewFolder(tmp_path / "review") as review:
        reviewed(review, tmp_path / "a.nii.gz")
        log = tmp_path / "review" / "events.jsonl"
        with log.open("ab") as file:
            file.write(b'{"kind": "state", "ca')
        before = log.read_bytes()
        assert len(ReviewReader(tmp_path / "review").cases) == 1
        assert log.read_bytes() == before


def test_strokes_that_were_put_into_one_mask_meanwhile_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ReviewFolder(tmp_path / "review") as review:
        case = reviewed(review, tmp_path / "a.nii.gz")
        review.save_stroke(case, (0, 0, 0), np.ones((1, 1, 2), np.uint8))
    reader = ReviewReader(tmp_path / "review")
    monkeypatch.setattr(review_folder, "_MANY_STROKES", 2)
    with ReviewFolder(tmp_path / "review") as review:
        review.save_stroke(case, (0, 0, 5), np.ones((1, 1, 3), np.uint8))
    with ReviewFolder(tmp_path / "review"):
        assert not list((tmp_path / "review").rglob("stroke-*"))
        assert reader.mask(case).sum() == 5


def test_an_image_that_changed_or_went_away_is_refused(tmp_path: Path) -> None:
    with ReviewFolder(tmp_path / "review") as review:
        file = tmp_path / "a.nii.gz"
        added = reviewed(review, file)
        case = review.cases[added]
    reader = ReviewReader(tmp_path / "review")
    image = read(file)[0]
    write(image.like(image.data + 1), file)
    with pytest.raises(FileError, match="has changed since the review"):
        reader.image(case)
    file.unlink()
    with pytest.raises(FileError, match=r"a\.nii\.gz"):
        reader.image(case)


def test_a_colour_picture_is_found_by_its_voxels(tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)).save(tmp_path / "photo.png")
    image = read(tmp_path / "photo.png")[0]
    with ReviewFolder(tmp_path / "review") as review:
        case = new_case("photo", image, image.like(np.zeros((20, 30), np.uint8), kind="labels"))
        review.add(case, np.zeros((20, 30), np.uint8))
    found = ReviewReader(tmp_path / "review").image(case)
    assert found.axes == "cyx"
    assert np.array_equal(found.data, image.data)


def test_a_review_of_a_newer_version_and_no_review_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot be read"):
        ReviewReader(tmp_path)
    (tmp_path / "review.json").write_text(json.dumps({"format": 99, "program": "napari-medfreq 9"}))
    with pytest.raises(FileError, match="newer version"):
        ReviewReader(tmp_path)
