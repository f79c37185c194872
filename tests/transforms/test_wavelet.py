from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import pywt
import torch

from napari_medfreq.transforms.bands import BandKey, energies, with_gains
from napari_medfreq.transforms.wavelet import ImageDetail, VolumeDetail, Wavelet, wavelet_detail

WAVELETS = ["haar", "db4", "sym8", "coif2", "bior4.4", "bior2.2", "bior1.3", "rbio3.5"]
SIZES = [(8, 8), (9, 13), (31, 101), (64, 48), (1, 5)]


@pytest.mark.parametrize("name", WAVELETS)
@pytest.mark.parametrize("size", SIZES)
def test_reconstruction_is_exact_for_any_size(size: tuple[int, int], name: str) -> None:
    transform, image = Wavelet(name), torch.rand(2, 3, *size, dtype=torch.float64)
    back = transform.inverse(transform(image))
    assert back.shape == image.shape
    assert float((back - image).abs().max()) < 1e-12
    single = image.float()
    assert float((transform.inverse(transform(single)) - single).abs().max()) < 2e-6


@pytest.mark.parametrize("name", ["haar", "bior4.4"])
@pytest.mark.parametrize("size", [(8, 8, 8), (9, 11, 14), (17, 8, 31)])
def test_reconstruction_of_volumes_is_exact(size: tuple[int, int, int], name: str) -> None:
    transform, volume = Wavelet(name, scales=2, dims=3), torch.rand(2, *size, dtype=torch.float64)
    bands = transform(volume)
    assert isinstance(bands.scales[0], VolumeDetail)
    assert float((transform.inverse(bands) - volume).abs().max()) < 1e-12


def test_every_discrete_wavelet_can_be_inverted() -> None:
    image = torch.rand(40, 33, dtype=torch.float64)
    for name in pywt.wavelist(kind="discrete"):
        transform = Wavelet(name, scales=1)
        assert float((transform.inverse(transform(image)) - image).abs().max()) < 1e-11, name


@pytest.mark.filterwarnings("ignore:Level value of 3 is too high")
@pytest.mark.parametrize("size", [(64, 64), (33, 47)])
@pytest.mark.parametrize("name", ["haar", "db4", "sym8"])
def test_orthogonal_wavelets_have_the_coefficients_of_pywavelets(name: str, size: tuple[int, int]) -> None:
    image = torch.rand(size, dtype=torch.float64)
    bands = Wavelet(name)(image)
    low, *details = pywt.wavedec2(image.numpy(), name, "symmetric", level=3)
    np.testing.assert_allclose(bands.low, low, atol=1e-10)
    for found, expected in zip(bands.scales, details, strict=True):
        assert isinstance(found, ImageDetail)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-10)


@pytest.mark.filterwarnings("ignore:Level value of 3 is too high")
def test_biorthogonal_ones_have_them_but_for_a_constant_for_each_band() -> None:
    image = torch.rand(64, 64, dtype=torch.float64)
    low, *details = pywt.wavedec2(image.numpy(), "bior4.4", "symmetric", level=3)
    bands = Wavelet("bior4.4")(image)
    for found, expected in [(bands.low, low), *zip(bands.scales[1], details[1], strict=True)]:
        ratio = expected / found.numpy()
        np.testing.assert_allclose(ratio, ratio.flat[0], rtol=1e-6)
        assert 0.9 < ratio.flat[0] < 1.15


@pytest.mark.parametrize("name", ["haar", "bior4.4", "bior2.2"])
def test_white_noise_keeps_its_variance_in_every_band(name: str) -> None:
    noise = torch.randn(1024, 1024, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    transform = Wavelet(name)
    # The mirror image beyond the edges doubles what lies there, so the margins are left out.
    parts = (part[12:-12, 12:-12] for part in transform.split(transform(noise)).values())
    variances = [float(part.square().mean()) for part in parts]
    np.testing.assert_allclose(variances, 1.0, atol=0.06)


def test_the_haar_wavelet_keeps_the_energy() -> None:
    image = torch.rand(64, 32, dtype=torch.float64)
    energy = energies(Wavelet("haar").split(Wavelet("haar")(image)))
    assert sum(energy.values()) == pytest.approx(float(image.square().sum()), rel=1e-12)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_grating_lands_in_the_band_of_its_direction_and_scale(dims: int) -> None:
    transform = Wavelet("sym16" if dims == 2 else "sym12", scales=2, dims=dims)  # type: ignore[arg-type]
    length = {2: 256, 3: 64}[dims]
    for band in transform.layout()[1:]:
        grid = torch.meshgrid(*[torch.arange(float(length))] * dims, indexing="ij")
        # The first letter is for x, the last axis.
        middle = band.frequency[0] * 1.45
        wave = torch.ones_like(grid[0])
        for letter, axis in zip(reversed(band.name), grid, strict=True):
            wave = wave * (torch.cos(2 * torch.pi * middle * axis) if letter == "H" else 1.0)
        energy = energies(transform.split(transform(wave)))
        assert energy[band.key] > 0.9 * sum(energy.values()), band


@pytest.mark.parametrize("dims", [2, 3])
def test_bands_part_and_join_again(dims: int) -> None:
    transform = Wavelet("db2", scales=2, dims=dims)  # type: ignore[arg-type]
    bands = transform(torch.rand(10, 12, 14, dtype=torch.float64))
    parts = transform.split(bands)
    assert list(parts) == [band.key for band in transform.layout()]
    assert len(parts) == 1 + 2 * (2**dims - 1)
    empty = transform(torch.zeros(10, 12, 14, dtype=torch.float64))
    joined = transform.join(parts, empty)
    assert all(torch.equal(joined_part, parts[key]) for key, joined_part in transform.split(joined).items())
    muted = with_gains(transform, bands, {BandKey(0, 0): 0.0})
    assert abs(float(muted.mean())) < 0.05


def test_coarse_bands_come_first() -> None:
    bands = Wavelet("haar", scales=3)(torch.rand(64, 64))
    assert all(2 * one.LH.shape[-1] == other.LH.shape[-1] for one, other in pairwise(bands.scales))


def test_gradients_are_right_and_it_can_be_compiled() -> None:
    transform = Wavelet("bior4.4", scales=1)
    x = torch.randn(8, 9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda image: tuple(transform.split(transform(image)).values()), (x,))
    parts = [part.detach().requires_grad_() for part in transform.split(transform(x)).values()]
    like = transform(x.detach())

    def back(*values: torch.Tensor) -> torch.Tensor:
        return transform.inverse(transform.join(dict(zip(transform.split(like), values, strict=True)), like))

    assert torch.autograd.gradcheck(back, parts)
    compiled = torch.compile(lambda image: transform.inverse(transform(image * 2)) + 1, backend="aot_eager")
    assert torch.allclose(compiled(x), 2 * x + 1, atol=1e-12)


def test_what_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="'morl' is not a discrete wavelet"):
        Wavelet("morl")
    with pytest.raises(ValueError, match="at least 1, not 0"):
        Wavelet(scales=0)
    with pytest.raises(ValueError, match=r"2 \(images\) or 3 \(volumes\), not 1"):
        Wavelet(dims=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected float32 or float64"):
        Wavelet()(torch.zeros(8, 8, dtype=torch.uint8))


@pytest.mark.filterwarnings("ignore:Level value of 2 is too high")
@pytest.mark.parametrize("size", [(32, 32), (33, 47), (16, 9)])
def test_wavelet_detail_and_approximation_are_the_image(size: tuple[int, int]) -> None:
    image = torch.randn(1, 2, *size, dtype=torch.float64)
    low, *details = pywt.wavedec2(image.numpy(), "bior4.4", "symmetric", level=2)
    zeros = [tuple(np.zeros_like(band) for band in scale) for scale in details]
    approximation = pywt.waverec2([low, *zeros], "bior4.4")[..., : size[0], : size[1]]
    assert torch.allclose(wavelet_detail(image) + torch.from_numpy(approximation), image, atol=1e-10)


def test_wavelet_detail_can_be_learned_through() -> None:
    image = torch.randn(1, 8, 9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: wavelet_detail(x, scales=1), (image,))
