from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from napari_medfreq.errors import DatasetError
from napari_medfreq.io.files import write
from napari_medfreq.io.model_config import InputSpec
from napari_medfreq.train.cases import Case, read_cases
from napari_medfreq.train.packing import pack, prepare
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from pathlib import Path

RGB = InputSpec(("red", "green", "blue"), size=32)
GREY = InputSpec(("grey",), size=32)
T1 = InputSpec(("t1",), slices=3, size=48, spacing=1.0, normalisation="percentile")


def test_pictures_become_samples_that_lie_on_their_masks(drawings: Path) -> None:
    cases = read_cases(drawings / "index.csv")
    packed = pack(cases, RGB, 64)
    assert packed.images.shape == (36, 3, 64, 64)  # the picture without a disc is left out
    assert packed.images.dtype == packed.masks.dtype == np.uint8
    assert packed.case.tolist() == list(range(36))
    for image, mask in zip(packed.images, packed.masks, strict=True):
        assert set(np.unique(mask)) == {0, 1}
        assert image[:, mask == 1].mean() > 160
        assert image[:, mask == 0].mean() < 100


def test_pictures_without_a_target_are_kept_if_asked_for(drawings: Path) -> None:
    packed = pack(read_cases(drawings / "index.csv"), RGB, 32, skip_empty=False)
    assert len(packed.images) == 37
    assert not packed.masks[36].any()


def test_what_was_packed_is_not_read_again_until_a_file_changes(tmp_path: Path, own_cache: Path) -> None:
    for name, value in (("image", 60), ("mask", 255)):
        Image.fromarray(np.full((40, 40), value, np.uint8)).save(tmp_path / f"{name}.png")
    case = Case("set", "1", "set:1", tmp_path / "image.png", tmp_path / "mask.png")
    first = pack([case], RGB, 32)
    folders = set((own_cache / "packed").iterdir())
    assert first.images.max() == 60
    assert pack([case], RGB, 32).images.max() == 60
    assert set((own_cache / "packed").iterdir()) == folders
    Image.fromarray(np.full((40, 40), 90, np.uint8)).save(case.image)
    os.utime(case.image, ns=(1, 1))
    assert pack([case], RGB, 32).images.max() == 90
    assert all((folder / "case.npy").is_file() for folder in (own_cache / "packed").iterdir())


def volume(shape: tuple[int, int, int]) -> tuple[Volume, Volume]:
    affine = np.diag([0.5, 0.75, 2.0, 1.0])
    rng = np.random.default_rng(0)
    data = rng.uniform(0, 1000, shape).astype(np.float32)
    labels = np.zeros(shape, np.uint8)
    labels[2:5, 10:20, 8:24] = 1
    labels[4:6, 4:10, 8:24] = 2
    data[labels > 0] += 4000
    image = Volume(data, affine, channels=("t1",), name="case")
    return image, image.like(labels, kind="labels")


def test_a_volume_becomes_slices_with_their_neighbours_in_millimetres(tmp_path: Path) -> None:
    image, mask = volume((8, 40, 44))
    for kind, one in (("images", image), ("masks", mask)):
        (tmp_path / kind).mkdir()
        write(one, tmp_path / kind / "case.nii.gz")
    packed = pack(read_cases(tmp_path), T1, 48)
    assert packed.images.shape == (8, 3, 48, 48)
    assert set(np.unique(packed.masks)) == {0, 1, 2}
    # Each slice is in the middle of its own sample, below the one before it and above the one after it.
    assert np.array_equal(packed.images[2, 1], packed.images[1, 2])
    assert np.array_equal(packed.images[2, 1], packed.images[3, 0])
    assert np.array_equal(packed.images[0, 0], packed.images[0, 1])
    # Ten rows of 0.75 mm and 16 columns of 0.5 mm, on a grid of 1 mm.
    rows, columns = (np.ptp(found) + 1 for found in np.nonzero(packed.masks[2] == 1))
    assert rows == pytest.approx(7.5, abs=1)
    assert columns == pytest.approx(8, abs=1)
    assert packed.images[:, 1][packed.masks > 0].mean() > 2 * packed.images[:, 1][packed.masks == 0].mean()
    # 40 rows of 0.75 mm fill 30 pixels; the rest repeats the last one and has no label.
    assert (packed.masks[:, 30:] == 0).all()


def test_the_orientation_of_the_file_does_not_matter() -> None:
    image, mask = volume((8, 40, 44))
    turned = []
    for one in (image, mask):
        affine = one.affine @ np.array([[0, -1, 0, 39], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], float)[[1, 0, 2, 3]]
        affine = one.affine.copy()
        affine[:3, 0] *= -1
        affine[0, 3] = 0.5 * 43
        turned.append(Volume(one.data[:, :, ::-1], affine, channels=("t1",), name="turned"))
    for ours, theirs in zip(prepare(image, mask, T1, 48), prepare(turned[0], turned[1], T1, 48), strict=True):
        assert np.array_equal(ours, theirs)


def test_lossy_masks_count_from_the_middle_and_coloured_ones_by_their_first_channel() -> None:
    image = Volume(np.full((32, 32), 100, np.uint8), axes="yx", calibrated=False)
    shades = np.zeros((3, 32, 32), np.uint8)
    shades[0, :8], shades[0, 8:16], shades[0, 16:24] = 255, 140, 9
    _, found = prepare(image, Volume(shades, axes="cyx", calibrated=False), RGB, 32)
    assert (found[0, :16] == 1).all()
    assert (found[0, 16:] == 0).all()


def test_grey_pictures_are_seen_in_all_colours() -> None:
    grey = Volume(np.arange(256, dtype=np.uint8).repeat(4).reshape(32, 32), axes="yx", calibrated=False)
    pixels, _ = prepare(grey, grey.like(np.ones((32, 32), np.uint8)), RGB, 32)
    assert pixels.shape == (1, 3, 32, 32)
    assert np.array_equal(pixels[0, 0], grey.data)
    assert np.array_equal(pixels[0, 0], pixels[0, 2])


def test_of_colours_a_grey_model_sees_in_training_what_it_sees_in_use() -> None:
    from napari_medfreq.engine.preprocess import prepare as prepare_for_use

    pixels = np.random.default_rng(0).integers(0, 255, (3, 32, 32), dtype=np.uint8)
    photo = Volume(pixels, axes="cyx", channels=("red", "green", "blue"), calibrated=False)
    mask = Volume(np.ones((32, 32), np.uint8), axes="yx", kind="labels", calibrated=False)
    trained, _ = prepare(photo, mask, GREY, 32)
    np.testing.assert_array_equal(trained[0, 0], prepare_for_use(photo, GREY).data[0, 0])


def test_channels_that_the_model_does_not_have_are_refused() -> None:
    pair = Volume(np.zeros((2, 32, 32), np.uint8), axes="cyx", channels=("t1", "t2"), name="pair", calibrated=False)
    with pytest.raises(DatasetError, match=r"pair: it has 2 channels, the model 1 \(grey\)"):
        prepare(pair, Volume(np.ones((32, 32), np.uint8), axes="yx", kind="labels", calibrated=False), GREY, 32)


def test_a_mask_of_another_shape_is_refused() -> None:
    image, mask = (Volume(np.ones(shape, np.uint8), axes="yx", name=n) for shape, n in (((8, 9), "i"), ((9, 8), "m")))
    with pytest.raises(DatasetError, match=r"m: the mask has the shape \(9, 8\), its image \(8, 9\)"):
        prepare(image, mask, RGB, 32)


@pytest.mark.parametrize("axes", ["czyx", "tzyx", "tyx"])
def test_images_with_channels_or_frames_of_their_own_are_refused(axes: str) -> None:
    shape = (2, 4, 8, 8)[-len(axes) :]
    image = Volume(np.zeros(shape, np.float32), axes=axes, name="study")  # type: ignore[arg-type]
    mask = image.like(np.zeros(image.spatial_shape, np.uint8), axes=image.spatial_axes)
    with pytest.raises(DatasetError, match=f"study: training takes pictures and volumes with one channel.*{axes}"):
        prepare(image, mask, T1, 32)


def test_files_that_are_missing_or_damaged_are_named(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "mask.png")
    case = Case("set", "1", "set:1", tmp_path / "image.png", tmp_path / "mask.png")
    with pytest.raises(DatasetError, match=r"image\.png: this file of the data cannot be read"):
        pack([case], RGB, 32)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(case.image)
    with pytest.raises(DatasetError, match="nothing to train on"):
        pack([case], RGB, 32)


def test_contrasts_are_scaled_each_by_itself_as_in_use() -> None:
    ramp = np.linspace(0, 1, 32 * 32, dtype=np.float32).reshape(32, 32)
    image = Volume(np.stack([ramp, 1000 * ramp]), axes="cyx", calibrated=False)
    mask = Volume(np.ones((32, 32), np.uint8), axes="yx", calibrated=False)
    (sample,), _ = prepare(image, mask, InputSpec(("t1", "t2"), size=32, normalisation="percentile"), 32)
    np.testing.assert_array_equal(sample[0], sample[1])
    assert sample[0].max() == 255
