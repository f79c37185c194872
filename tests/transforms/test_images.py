from __future__ import annotations

import pytest
import torch

from napari_medfreq.transforms.images import checked_size, cropped, mirrored


def test_an_image_is_continued_by_its_mirror_image_as_often_as_it_takes() -> None:
    row = torch.tensor([[1.0, 2.0, 3.0]])
    assert mirrored(row, 8)[0].tolist() == [1, 2, 3, 3, 2, 1, 1, 2]
    assert mirrored(row, 8).shape == (8, 8)


@pytest.mark.parametrize("size", [(8, 16), (5, 9), (1, 1)])
def test_what_is_continued_can_be_cut_off_again(size: tuple[int, int]) -> None:
    image = torch.rand(2, *size)
    extended = mirrored(image, 8)
    assert all(length % 8 == 0 for length in extended.shape[-2:])
    assert torch.equal(cropped(extended, size), image)


def test_an_image_that_fits_is_not_copied() -> None:
    image = torch.rand(8, 16)
    assert mirrored(image, 8) is image


@pytest.mark.parametrize(
    "bad", [torch.zeros(8, 8, dtype=torch.int16), torch.zeros(8, 8).half(), torch.zeros(8), torch.zeros(3, 0, 8)]
)
def test_what_is_no_image_is_refused_with_a_way_out(bad: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"expected float32 or float64 of shape \(\.\.\., H, W\).*\.float\(\)"):
        checked_size(bad, 2)


def test_volumes_need_three_axes() -> None:
    assert checked_size(torch.zeros(2, 3, 4, 5), 3) == (3, 4, 5)
    with pytest.raises(ValueError, match=r"\(\.\.\., D, H, W\), not torch.float32 \(4, 5\)"):
        checked_size(torch.zeros(4, 5), 3)
