from __future__ import annotations

import pytest
import torch

from napari_medfreq.transforms.lattice import add_unfolded, aliases, blocks, fold

STEPS = [(2, 2), (4, 2), (2, 8), (1, 1)]


def spectrum(image: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = torch.fft.fft2(image, norm="ortho")
    return result


@pytest.mark.parametrize("step", STEPS)
def test_folding_is_decimation(step: tuple[int, int]) -> None:
    image = torch.randn(3, 16, 24, dtype=torch.float64)
    scale = (step[0] * step[1]) ** -0.5
    ones = blocks(torch.full((16, 24), scale, dtype=torch.complex128), step)
    folded = torch.fft.ifft2(fold(spectrum(image), ones, step), norm="ortho")
    assert torch.allclose(folded.real, image[:, :: step[0], :: step[1]], atol=1e-14)
    assert float(folded.imag.abs().max()) < 1e-14


@pytest.mark.parametrize("step", STEPS)
def test_unfolding_puts_zeros_between_and_adds_in_place(step: tuple[int, int]) -> None:
    image = torch.randn(16, 24, dtype=torch.float64)
    small = image[:: step[0], :: step[1]].contiguous()
    expected = torch.zeros_like(image)
    expected[:: step[0], :: step[1]] = small
    scale = (step[0] * step[1]) ** -0.5
    target = spectrum(image)
    ones = blocks(torch.full((16, 24), scale, dtype=torch.complex128), step)
    add_unfolded(target, spectrum(small), ones, step, sign=-1.0)
    assert torch.allclose(torch.fft.ifft2(target, norm="ortho").real, image - expected, atol=1e-14)


@pytest.mark.parametrize("step", STEPS)
def test_with_conjugate_masks_the_two_are_adjoint(step: tuple[int, int]) -> None:
    masks = blocks(torch.randn(16, 24, dtype=torch.complex128), step)
    large = torch.randn(16, 24, dtype=torch.complex128)
    small = torch.randn(16 // step[0], 24 // step[1], dtype=torch.complex128)
    wide = torch.zeros_like(large)
    add_unfolded(wide, small, masks.conj(), step)
    assert torch.allclose(
        torch.vdot(small.flatten(), fold(large, masks, step).flatten()), torch.vdot(wide.flatten(), large.flatten())
    )


def test_alias_blocks_are_views_row_by_row() -> None:
    plane = torch.arange(24).reshape(4, 6)
    parts = aliases(plane, (2, 3))
    assert [int(part[0, 0]) for part in parts] == [0, 2, 4, 12, 14, 16]
    parts[0].zero_()
    assert int(plane[1, 1]) == 0
