from __future__ import annotations

import numpy as np
import pytest
import pywt
import torch

from napari_medfreq.transforms.spectrum import fourier_detail, wavelet_detail


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (8, 5)])
@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.25, 1.0])
def test_the_square_of_low_frequencies_is_gone_and_the_rest_is_kept(size: tuple[int, int], fraction: float) -> None:
    image = torch.randn(2, 3, *size, dtype=torch.float64)
    before, after = torch.fft.fft2(image), torch.fft.fft2(fourier_detail(image, fraction))
    rows, columns = (torch.fft.fftfreq(length).abs() for length in size)
    low = (rows[:, None] < fraction**0.5 / 2) & (columns[None, :] < fraction**0.5 / 2)
    assert float(after[..., low].abs().sum()) < 1e-9
    assert torch.allclose(after[..., ~low], before[..., ~low], atol=1e-10)
    if size == (32, 32):
        assert float(low.float().mean()) == pytest.approx(fraction, abs=0.07)


def test_a_fraction_is_a_fraction() -> None:
    with pytest.raises(ValueError, match="between 0 and 1, not 2"):
        fourier_detail(torch.zeros(8, 8), 2)


@pytest.mark.filterwarnings("ignore:Level value of 2 is too high")
@pytest.mark.parametrize("size", [(32, 32), (33, 47), (16, 9)])
def test_wavelet_detail_and_approximation_are_the_image(size: tuple[int, int]) -> None:
    image = torch.randn(1, 2, *size, dtype=torch.float64)
    low, *details = pywt.wavedec2(image.numpy(), "bior4.4", "symmetric", level=2)
    zeros = [tuple(np.zeros_like(band) for band in scale) for scale in details]
    approximation = pywt.waverec2([low, *zeros], "bior4.4")[..., : size[0], : size[1]]
    assert torch.allclose(wavelet_detail(image) + torch.from_numpy(approximation), image, atol=1e-10)


def test_both_can_be_learned_through() -> None:
    image = torch.randn(1, 8, 9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(fourier_detail, (image,))
    assert torch.autograd.gradcheck(lambda x: wavelet_detail(x, scales=1), (image,))
