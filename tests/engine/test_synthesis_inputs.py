from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import ndimage

from napari_medfreq.engine.synthesis_inputs import prepare, resampled
from napari_medfreq.errors import InputError
from napari_medfreq.io.files import read
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from pathlib import Path


def head(seed: int, shift: int = 0, shape: tuple[int, int, int] = (20, 40, 40)) -> Volume:
    z, y, x = (np.arange(n) - (n - 1) / 2 for n in shape)
    ball = (z[:, None, None] / 8) ** 2 + (y[:, None] / 15) ** 2 + ((x - shift) / 15) ** 2 < 1
    anatomy, own = (ndimage.gaussian_filter(np.random.default_rng(s).normal(size=shape), 2) for s in (99, seed))
    data = np.where(ball, 500 + (-1) ** seed * 2000 * anatomy + 200 * own, 0).astype(np.float32)
    return Volume(data, np.diag([1.0, 1.0, 1.0, 1.0]), name=f"volume{seed}")


def test_contrasts_of_one_person_pass_without_a_word() -> None:
    found = prepare({"t1": head(0), "t2": head(1), "flair": head(2)})
    assert found.notes == ()
    assert list(found.volumes) == ["t1", "t2", "flair"]
    assert found.reference.name == "volume0"


def test_another_grid_is_resampled_and_that_is_said() -> None:
    one, other = head(0), head(1)
    turned = replace(
        other, data=np.ascontiguousarray(other.data[:, :, ::-1]), affine=other.affine @ flip_x(other.data.shape[2])
    )
    found = prepare({"t1": one, "t2": turned})
    assert any("t2 lies on another grid than t1" in note and "resampled" in note for note in found.notes)
    np.testing.assert_allclose(found.volumes["t2"].data, other.data, atol=1e-2)
    np.testing.assert_array_equal(found.volumes["t2"].affine, one.affine)


def flip_x(side: int) -> np.ndarray:
    change = np.diag([-1.0, 1.0, 1.0, 1.0])
    change[0, 3] = side - 1
    return change


def test_resampling_keeps_places_in_the_world() -> None:
    fine = head(0)
    coarse = Volume(np.zeros((10, 20, 20)), np.diag([2.0, 2.0, 2.0, 1.0]))
    found = resampled(fine, coarse)
    np.testing.assert_allclose(found.data, fine.data[::2, ::2, ::2], atol=1e-3)


def test_heads_in_different_places_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"t2 does not show the head where t1 does.*different persons, or not registered"
    ):
        prepare({"t1": head(0), "t2": head(1, shift=12)})
    notes = prepare({"t1": head(0), "t2": head(1, shift=3)}).notes
    assert any("share only" in note for note in notes)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda v: replace(v, data=np.zeros_like(v.data)), "nothing but zeros"),
        (
            lambda v: replace(v, data=np.stack([v.data, v.data]), axes="tzyx"),
            "not one 3D volume but a series of frames",
        ),
        (lambda v: replace(v, data=np.stack([v.data, v.data]), axes="czyx"), "several channels"),
        (lambda v: replace(v, data=v.data[3], axes="yx"), "a picture"),
        (lambda v: replace(v, data=np.where(v.data > 0, v.data / 10, -1000)), "is not MR .*as air in CT"),
        (lambda v: replace(v, header={"dicom": {"modality": "CT"}}), "its header says CT"),
        (lambda v: replace(v, data=v.data.astype(np.complex64)), "no real numbers"),
    ],
)
def test_what_is_no_contrast_is_refused_by_name(wrong: object, said: str) -> None:
    with pytest.raises(InputError, match=rf"^t2: .*{said}"):
        prepare({"t1": head(0), "t2": wrong(head(1))})  # type: ignore[operator]


def test_one_image_in_two_slots_is_noticed() -> None:
    with pytest.raises(InputError, match="t1 and t1c are the same image"):
        prepare({"t1": head(0), "t1c": head(0), "t2": head(1)})


def test_what_the_model_was_not_trained_on_is_said() -> None:
    noisy = replace(head(0), data=head(0).data + 5)
    assert any("skull" in note for note in prepare({"t1": noisy, "t2": head(1)}).notes)
    thick = [replace(head(seed), affine=np.diag([1.0, 1.0, 6.5, 1.0])) for seed in (0, 1)]
    assert any("6.5 mm" in note for note in prepare({"t1": thick[0], "t2": thick[1]}).notes)
    made = replace(head(1), header={"synthetic": "SYNTHETIC t2 by someone"})
    assert any("a guess from a guess" in note for note in prepare({"t1": head(0), "t2": made}).notes)


@pytest.mark.data
def test_real_persons_agree_with_themselves_and_not_with_others(data_folder: Path) -> None:
    names = ("lit_ms_mni_p07", "lit_ms_mni_p26", "brats_met_00110_000")
    persons = {
        name: {c: read(data_folder / "mr_multicontrast" / name / f"{c}.nii.gz")[0] for c in ("t1", "t2", "flair")}
        for name in names
    }
    for contrasts in persons.values():
        assert prepare(contrasts).notes == ()
    one, other, elsewhere = persons.values()
    # Both brought into one atlas: their heads are nearly alike, and only a doubt can be raised.
    assert any("edges in t2 do not lie" in note for note in prepare({"t1": one["t1"], "t2": other["t2"]}).notes)
    with pytest.raises(InputError, match="different persons"):
        prepare({"t1": one["t1"], "t2": elsewhere["t2"]})
