from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_medfreq.transforms.bands import BandKey, energies, with_gains
from napari_medfreq.transforms.fourier import FourierBands, fourier_detail, radial_spectrum

SIZES = [(8, 8), (9, 13), (31, 101), (64, 48), (1, 5)]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-6}


def noise(*size: int) -> torch.Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("transition", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("size", SIZES)
def test_bands_add_up_to_the_image(size: tuple[int, int], transition: float, dtype: torch.dtype) -> None:
    image = torch.rand(2, 4, *size, dtype=dtype)
    for spacing in ((0.7, 0.5), (3.0, 0.7, 0.5)):
        transform = FourierBands((0.1, 0.2, 0.6), spacing, transition)
        bands = transform(image)
        assert len(bands) == 4
        assert all(band.shape == image.shape and band.dtype == dtype for band in bands)
        assert float((transform.inverse(bands) - image).abs().max()) < TOLERANCE[dtype]


def test_hard_rings_are_orthogonal() -> None:
    image = noise(40, 33)
    bands = FourierBands((0.1, 0.3))(image)
    energy = energies(FourierBands((0.1, 0.3)).split(bands))
    assert sum(energy.values()) == pytest.approx(float(image.square().sum()), rel=1e-12)
    assert abs(float((bands[0] * bands[1]).sum())) < 1e-10


@pytest.mark.parametrize("transition", [0.0, 0.3])
def test_a_grating_lands_in_its_ring_whatever_the_voxels(transition: float) -> None:
    # 0.12 cycles/mm along either axis of voxels of 2 x 0.5 mm.
    rows, columns = torch.arange(100.0)[:, None] * 2.0, torch.arange(200.0) * 0.5
    transform = FourierBands((0.05, 0.2), (2.0, 0.5), transition)
    for wave in (torch.cos(2 * torch.pi * 0.12 * rows).expand(100, 200), torch.cos(2 * torch.pi * 0.12 * columns)):
        energy = energies(transform.split(transform(wave.expand(100, 200).contiguous())))
        assert energy[BandKey(1, 0)] > 0.99 * sum(energy.values())


def test_rings_reach_beyond_the_smaller_nyquist_frequency_along_the_finer_axis() -> None:
    transform = FourierBands((0.3,), (2.0, 0.5))
    assert transform.nyquist == (0.25, 1.0)
    columns = torch.cos(2 * torch.pi * 0.8 * torch.arange(200.0) * 0.5).expand(50, 200).contiguous()
    low, high = transform(columns)
    assert float(low.abs().max()) < 1e-4
    assert torch.allclose(high, columns, atol=1e-4)


def test_ringing_dies_out_sooner_with_a_transition() -> None:
    step = torch.zeros(1, 256, dtype=torch.float64)
    step[:, 64:192] = 1.0
    ripple = [float((FourierBands((0.05,), transition=t)(step)[0] - 1)[:, 108:148].abs().max()) for t in (0.0, 1.5)]
    assert ripple[1] < 0.1 * ripple[0]


def test_layout_tells_the_rings_in_cycles_per_mm() -> None:
    layout = FourierBands((0.1, 0.2), (0.5, 0.5)).layout()
    assert [band.key for band in layout] == [BandKey(0, 0), BandKey(1, 0), BandKey(2, 0)]
    assert [band.frequency for band in layout[:2]] == [(0.0, 0.1), (0.1, 0.2)]
    assert layout[2].frequency == (0.2, pytest.approx(2**0.5))


def test_rings_can_be_muted_and_replaced() -> None:
    transform, image = FourierBands((0.1, 0.3)), noise(16, 17)
    low, middle, high = transform(image)
    assert torch.allclose(with_gains(transform, (low, middle, high), {BandKey(1, 0): 0.0}), low + high, atol=1e-12)
    assert torch.equal(transform.join({BandKey(0, 0): high}, (low, middle, high))[0], high)


@pytest.mark.parametrize("edges", [(), (0.2, 0.1), (0.0, 0.1), (0.1, 1.2)])
def test_edges_that_cannot_be_are_refused_with_the_limit(edges: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"between 0 and 1.118 cycles/mm.*1 x 0.5 mm"):
        FourierBands(edges, (1.0, 0.5))


@pytest.mark.parametrize("spacing", [(1.0,), (1.0, 0.0), (1.0, -1.0, 1.0), (1.0, float("nan"))])
def test_spacing_that_cannot_be_is_refused(spacing: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="two or three voxel sizes in mm"):
        FourierBands((0.1,), spacing)
    with pytest.raises(ValueError, match="two or three voxel sizes in mm"):
        radial_spectrum(torch.zeros(8, 8), spacing)


@pytest.mark.parametrize("transition", [0.0, 0.5])
def test_gradients_are_right_and_it_compiles_as_one_graph(transition: float) -> None:
    transform = FourierBands((0.1, 0.3), transition=transition)
    x = noise(8, 9).requires_grad_()
    assert torch.autograd.gradcheck(transform, (x,))
    compiled = torch.compile(lambda image: transform.inverse(transform(image)), backend="aot_eager", fullgraph=True)
    assert torch.allclose(compiled(x), x, atol=1e-12)


@pytest.mark.parametrize("spacing", [(0.5, 0.5), (2.0, 0.7), (3.0, 0.7, 0.5)])
@pytest.mark.parametrize("window", ["hann", None])
def test_white_noise_has_a_flat_spectrum_of_its_variance_times_the_voxel(
    spacing: tuple[float, ...], window: str | None
) -> None:
    size = (60, 50, 41)[-len(spacing) :] if len(spacing) == 3 else (300, 251)
    frequencies, power = radial_spectrum(3.0 * noise(*size), spacing, window)  # type: ignore[arg-type]
    expected = 9.0 * float(np.prod(spacing))
    assert float(power.mean()) == pytest.approx(expected, rel=0.05)
    assert float(power[frequencies > frequencies[-1] / 2].mean()) == pytest.approx(expected, rel=0.05)
    assert float(frequencies[-1]) <= 0.5 / min(spacing) * (1 + 1e-9)
    assert bool(torch.isfinite(power).all())


def test_the_density_adds_up_to_the_variance() -> None:
    # All frequencies of a band-limited image lie inside the bins, so nothing is missing from the sum.
    image = FourierBands((0.4,))(noise(64, 64))[0]
    frequencies, power = radial_spectrum(image, (1.0, 1.0), window=None)
    rows, columns = torch.meshgrid(torch.fft.fftfreq(64), torch.fft.fftfreq(64), indexing="ij")
    index = (torch.hypot(rows, columns) * 64).round().long()
    counts = torch.bincount(index.flatten())[1 : len(frequencies) + 1]
    variance = float((power * counts).sum() / 64**2)
    assert variance == pytest.approx(float(image.var(correction=0)), rel=1e-6)


@pytest.mark.parametrize("size", [(64, 64), (63, 90), (48, 40, 36)])
def test_each_bin_is_the_mean_over_the_full_spectrum(size: tuple[int, ...]) -> None:
    spacing = (2.0, 0.7, 1.1)[: len(size)]
    image = noise(*size)
    frequencies, power = radial_spectrum(image, spacing, window=None)
    full = np.abs(np.fft.fftn(image.numpy() - image.numpy().mean())) ** 2 * np.prod(spacing) / image.numel()
    axes = np.meshgrid(*(np.fft.fftfreq(n, d) for n, d in zip(size, spacing, strict=True)), indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in axes))
    step = max(1 / (n * d) for n, d in zip(size, spacing, strict=True))
    np.testing.assert_allclose(frequencies, step * np.arange(1, len(frequencies) + 1))
    index = np.round(radius / step).astype(int)
    expected = [full[index == k].mean() for k in range(1, len(frequencies) + 1)]
    np.testing.assert_allclose(power, expected, rtol=1e-10)


def test_a_grating_peaks_at_its_frequency() -> None:
    wave = torch.cos(2 * torch.pi * 0.3 * torch.arange(256) * 0.8).expand(256, 256)
    frequencies, power = radial_spectrum(wave, (0.8, 0.8))
    assert float(frequencies[int(power.argmax())]) == pytest.approx(0.3, abs=float(frequencies[0]))


def test_volumes_are_binned_a_slab_at_a_time_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    volume = noise(2, 20, 30, 25)
    whole = radial_spectrum(volume, (1.0, 1.0, 1.0)).power
    monkeypatch.setattr("napari_medfreq.transforms.fourier._AT_ONCE", 1000)
    assert torch.allclose(radial_spectrum(volume, (1.0, 1.0, 1.0)).power, whole, rtol=1e-12)
    assert torch.allclose(radial_spectrum(volume[1], (1.0, 1.0, 1.0)).power, whole[1], rtol=1e-12)


def test_a_spectrum_can_be_learned_through_and_compiled() -> None:
    x = noise(2, 8, 9).requires_grad_()
    assert torch.autograd.gradcheck(lambda image: radial_spectrum(image, (1.0, 1.0)).power, (x,))
    compiled = torch.compile(lambda image: radial_spectrum(image, (1.0, 1.0)).power, backend="aot_eager")
    assert torch.allclose(compiled(x), radial_spectrum(x, (1.0, 1.0)).power, rtol=1e-10)


def test_a_constant_image_has_no_power_and_a_thin_one_no_spectrum() -> None:
    assert float(radial_spectrum(torch.full((16, 16), 7.0), (1.0, 1.0)).power.abs().max()) < 1e-9
    with pytest.raises(ValueError, match="at least 2 voxels along each axis, not 1 x 64"):
        radial_spectrum(torch.zeros(1, 64), (1.0, 1.0))
    with pytest.raises(ValueError, match=r"expected float32 or float64 of shape \(\.\.\., H, W\), not torch.int16"):
        radial_spectrum(torch.zeros(8, 8, dtype=torch.int16), (1.0, 1.0))


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


def test_fourier_detail_can_be_learned_through() -> None:
    image = torch.randn(1, 8, 9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(fourier_detail, (image,))
