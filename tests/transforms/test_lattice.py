from __future__ import annotations

import pytest
import torch

from napari_medfreq.transforms.lattice import Piece, add_unfolded, fold, pieces, real_spectrum

STEPS = [(2, 2), (4, 2), (2, 8), (1, 1)]


def all_pass(step: tuple[int, int]) -> list[Piece]:
    return list(pieces(torch.full((1, 16, 24), (step[0] * step[1]) ** -0.5, dtype=torch.complex128), step))


@pytest.mark.parametrize("step", STEPS)
def test_folding_is_decimation(step: tuple[int, int]) -> None:
    image = torch.randn(3, 16, 24, dtype=torch.float64)
    folded = fold(real_spectrum(image), all_pass(step), (1, 16 // step[0], 24 // step[1]))
    small = torch.fft.ifft2(folded, norm="ortho").squeeze(-3)
    assert torch.allclose(small.real, image[:, :: step[0], :: step[1]], atol=1e-14)
    assert float(small.imag.abs().max()) < 1e-14


@pytest.mark.parametrize("step", STEPS)
def test_unfolding_puts_zeros_between_and_adds_in_place(step: tuple[int, int]) -> None:
    image = torch.randn(16, 24, dtype=torch.float64)
    small = image[:: step[0], :: step[1]]
    expected = image.clone()
    expected[:: step[0], :: step[1]] -= small
    target = real_spectrum(image)
    add_unfolded(target, real_spectrum(small)[None], all_pass(step), sign=-1.0)
    assert torch.allclose(torch.fft.ifft2(target, norm="ortho").real, expected, atol=1e-14)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kept", [1.0, 0.05])
def test_with_conjugate_masks_the_two_are_adjoint(step: tuple[int, int], kept: float) -> None:
    masks = torch.randn(3, 16, 24, dtype=torch.complex128) * (torch.rand(3, 16, 24) < kept)
    large = torch.randn(16, 24, dtype=torch.complex128)
    small = torch.randn(3, 16 // step[0], 24 // step[1], dtype=torch.complex128)
    wide = torch.zeros_like(large)
    add_unfolded(wide, small, list(pieces(masks.conj(), step)))
    folded = fold(large, list(pieces(masks, step)), (3, *small.shape[1:]))
    assert torch.allclose(torch.vdot(small.flatten(), folded.flatten()), torch.vdot(wide.flatten(), large.flatten()))


def test_pieces_leave_out_what_is_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_medfreq.transforms.lattice._WORTH_AN_OPERATION", 0)
    masks = torch.zeros(2, 8, 8, dtype=torch.complex128)
    masks[0, 1, 2] = 1.0
    masks[1, 3, 3] = 2.0
    masks[:, 5, 6] = 3.0
    one, other, both = pieces(masks, (2, 2))
    assert one.target == (slice(0, 1), slice(1, 2), slice(2, 3))
    assert other.target == (slice(1, 2), slice(3, 4), slice(3, 4))
    assert both.target == (slice(0, 2), slice(1, 2), slice(2, 3))
    assert both.source == (slice(5, 6), slice(6, 7))
    assert [float(piece.mask.real.sum()) for piece in (one, other, both)] == [1.0, 2.0, 6.0]
    monkeypatch.setattr("napari_medfreq.transforms.lattice._WORTH_AN_OPERATION", 10)
    together, _ = pieces(masks, (2, 2))
    assert together.target == (slice(0, 2), slice(1, 4), slice(2, 4))


@pytest.mark.parametrize("size", [(8, 8), (5, 7), (1, 1), (1, 2), (6, 1), (9, 4)])
def test_the_spectrum_of_a_real_image_is_whole(size: tuple[int, int]) -> None:
    image = torch.randn(2, *size, dtype=torch.float64)
    assert torch.allclose(real_spectrum(image), torch.fft.fft2(image, norm="ortho"), atol=1e-14)
