from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from napari_medfreq.errors import DatasetError
from napari_medfreq.io.files import read
from napari_medfreq.io.model_config import LabelName
from napari_medfreq.io.models import open_model
from napari_medfreq.io.review import new_case
from napari_medfreq.io.review_folder import ReviewFolder
from napari_medfreq.train.corrections import Correction, fingerprint, hold_out, pack_corrections, read_corrections
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from pathlib import Path


def correction(name: str, group: str, mask: np.ndarray, folder: Path) -> Correction:
    image = Volume(np.random.default_rng(1).integers(0, 255, mask.shape, np.uint8), name=name, axes="yx")
    return Correction(name, group, folder / name, lambda: (image, image.like(mask, kind="labels")))


def of_groups(sizes: dict[str, int], folder: Path) -> list[Correction]:
    mask = np.zeros((8, 8), np.uint8)
    return [correction(f"{g}{n}", g, mask, folder) for g, size in sizes.items() for n in range(size)]


def test_a_fifth_is_held_out_by_group_and_the_same_each_time(tmp_path: Path) -> None:
    corrections = of_groups({f"person{n}": 2 for n in range(10)}, tmp_path)
    train, held_out = hold_out(corrections)
    assert (len(train), len(held_out)) == (16, 4)
    assert not {c.group for c in train} & {c.group for c in held_out}
    again = hold_out(corrections[::-1])
    assert {c.name for c in again[1]} == {c.name for c in held_out}


def test_of_few_corrections_one_is_held_out(tmp_path: Path) -> None:
    train, held_out = hold_out(of_groups({"a": 1, "b": 1, "c": 1}, tmp_path))
    assert (len(train), len(held_out)) == (2, 1)


def review_of(folder: Path, states: dict[str, str]) -> Path:
    """Begin a review of pictures whose masks are a square, one of them painted over; return its folder."""
    with ReviewFolder(folder / "review") as review:
        for number, (name, state) in enumerate(states.items()):
            pixels = np.random.default_rng(number).integers(0, 255, (20, 30, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"{name}.png")
            image = read(folder / f"{name}.png")[0]
            mask = np.zeros((20, 30), np.uint8)
            mask[4:8, 4:8] = 1
            case = new_case(name, image, image.like(mask, kind="labels"), set(review.cases))
            review.add(case, mask)
            review.save_stroke(case.id, (8, 4), np.ones((2, 4), np.uint8))
            review.set_state(case.id, 1, state)  # type: ignore[arg-type]
    return folder / "review"


def test_of_a_review_the_decided_cases_count_with_their_strokes(tmp_path: Path) -> None:
    path = review_of(tmp_path, {"a": "corrected", "b": "accepted", "c": "open", "d": "flagged", "e": "corrected"})
    Image.new("RGB", (30, 20)).save(tmp_path / "e.png")
    with ReviewFolder(path):  # as a viewer has it
        found = read_corrections(path)
    everything = (*found.train, *found.held_out)
    assert sorted(c.name for c in everything) == ["a", "b"]
    assert len(found.left_out) == 1
    assert "e" in found.left_out[0]
    assert "has changed" in found.left_out[0]
    image, mask = everything[0].load()
    assert mask.data.sum() == 24
    assert mask.spatial_shape == image.spatial_shape
    assert found.files == {tmp_path / "a.png", tmp_path / "b.png"}


def test_a_single_correction_is_too_few(tmp_path: Path) -> None:
    path = review_of(tmp_path, {"a": "corrected", "b": "open"})
    with pytest.raises(DatasetError, match=r"corrections of 1 images.*At least two"):
        read_corrections(path)
    with pytest.raises(DatasetError, match="there is no such review"):
        read_corrections(tmp_path / "nowhere")


def test_a_folder_of_images_and_masks_is_learned_from(drawings: Path) -> None:
    found = read_corrections(drawings / "index.csv")
    assert len(found.train) + len(found.held_out) == 37
    assert len(found.held_out) == 8


def test_masks_become_classes_and_an_erased_mask_stays(tmp_path: Path, models_folder: Path) -> None:
    model = open_model(models_folder / "tiny")
    marked = np.zeros((8, 8), np.uint8)
    marked[:4] = 7
    packed = pack_corrections(
        [correction("a", "a", marked, tmp_path), correction("b", "b", marked * 0, tmp_path)], model
    )
    assert packed.images.shape == (2, 3, 64, 64)
    assert [np.unique(mask).tolist() for mask in packed.masks] == [[0, 1], [0]]
    two = replace(model, labels=(LabelName(2, "front", "#ffffff"), LabelName(7, "back", "#ff0000")))
    packed = pack_corrections([correction("a", "a", marked, tmp_path)], two)
    assert np.unique(packed.masks).tolist() == [0, 2]
    with pytest.raises(DatasetError, match=r"wrong: the mask holds the values 9, .*2 \(front\), 7 \(back\)"):
        pack_corrections([correction("wrong", "a", marked + 2, tmp_path)], two)


def test_the_fingerprint_follows_every_voxel(tmp_path: Path, models_folder: Path) -> None:
    model = open_model(models_folder / "tiny")
    mask = np.zeros((64, 64), np.uint8)
    before = fingerprint([pack_corrections([correction("a", "a", mask, tmp_path)], model)])
    assert before == fingerprint([pack_corrections([correction("b", "b", mask, tmp_path)], model)])
    mask[3, 3] = 1
    assert before != fingerprint([pack_corrections([correction("a", "a", mask, tmp_path)], model)])
