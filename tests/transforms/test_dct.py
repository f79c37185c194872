from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.fft import dctn
from torch.nn import functional

from napari_medfreq.transforms.bands import BandKey, energies, with_gains
from napari_medfreq.transforms.dct import (
    DCT2,
    DCT3,
    GRID,
    TOP_FREQUENCIES,
    dct_basis,
    dct_matrix,
    dct_pool,
)

SIZES = [(8, 8), (8, 13), (31, 101), (64, 48), (37, 1), (1, 1)]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-6}


@pytest.mark.parametrize("size", [1, 2, 7, 32])
def test_the_matrix_is_orthonormal(size: int) -> None:
    matrix = dct_matrix(size)
    assert torch.allclose(matrix @ matrix.T, torch.eye(size, dtype=torch.float64), atol=1e-13)


def test_a_matrix_first_met_in_inference_mode_can_be_learned_through() -> None:
    dct_matrix.cache_clear()
    with torch.inference_mode():
        matrix = dct_matrix(5)
    x = torch.rand(5, dtype=torch.float64, requires_grad=True)
    (matrix @ x).sum().backward()
    assert x.grad is not None


def test_the_basis_gives_the_coefficients_of_scipy() -> None:
    image = np.random.default_rng(0).normal(size=(GRID, GRID))
    coefficients = dctn(image, norm="ortho")
    found = (dct_basis(32) * torch.from_numpy(image)).sum(dim=(1, 2))
    np.testing.assert_allclose(found, [coefficients[u, v] for u, v in TOP_FREQUENCIES], atol=1e-13)


def test_the_frequencies_are_different_and_start_with_the_mean() -> None:
    assert len(set(TOP_FREQUENCIES)) == 32
    assert TOP_FREQUENCIES[0] == (0, 0)
    products = dct_basis(32).flatten(1) @ dct_basis(32).flatten(1).T
    assert torch.allclose(products, torch.eye(32, dtype=torch.float64), atol=1e-13)


@pytest.mark.parametrize("frequencies", [0, 3, 64])
def test_only_the_published_numbers_of_frequencies_exist(frequencies: int) -> None:
    with pytest.raises(ValueError, match="must be 1, 2, 4, 8, 16 or 32"):
        dct_basis(frequencies)


def test_pooling_gives_the_coefficients_of_the_pooled_map_and_the_extremes_of_its_products() -> None:
    feature = torch.rand(2, 3, 20, 33)
    mean, highest, lowest = dct_pool(feature, (dct_basis(16) / GRID).flatten(1).float())
    grid = functional.adaptive_avg_pool2d(feature, GRID)
    expected = dctn(grid.numpy(), axes=(-2, -1), norm="ortho") / GRID
    np.testing.assert_allclose(mean, np.stack([expected[..., u, v] for u, v in TOP_FREQUENCIES[:16]], -1), atol=1e-6)
    assert torch.allclose(mean[..., 0], grid.mean(dim=(-2, -1)), atol=1e-6)
    assert bool((lowest <= mean).all() and (mean <= highest).all())
    assert torch.allclose(highest[..., 0], grid.flatten(2).amax(-1), atol=1e-6)


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("transform", [DCT2(), DCT3()])
def test_reconstruction_is_exact_for_any_size(transform: DCT2, size: tuple[int, int], dtype: torch.dtype) -> None:
    image = torch.rand(2, 5, *size, dtype=dtype)
    coefficients = transform(image)
    assert coefficients.dtype == dtype
    assert float((transform.inverse(coefficients) - image).abs().max()) < TOLERANCE[dtype]


@pytest.mark.parametrize("transform", [DCT2(), DCT3()])
def test_coefficients_are_those_of_scipy_and_keep_the_energy(transform: DCT2) -> None:
    image = torch.rand(3, 6, 7, 10, dtype=torch.float64)
    dims = 3 if isinstance(transform, DCT3) else 2
    found = transform(image.movedim(1, -1).contiguous().movedim(-1, 1))  # not contiguous
    np.testing.assert_allclose(found, dctn(image.numpy(), axes=range(-dims, 0), norm="ortho"), atol=1e-13)
    assert float(found.square().sum()) == pytest.approx(float(image.square().sum()), rel=1e-12)


@pytest.mark.parametrize("transform", [DCT2(), DCT3()])
def test_first_and_second_gradients_are_right(transform: DCT2) -> None:
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(transform, (x,))
    assert torch.autograd.gradcheck(transform.inverse, (x,))
    assert torch.autograd.gradgradcheck(lambda image: transform(image).pow(3), (x,))


def test_vmap_works_and_the_jacobian_is_orthonormal() -> None:
    images = torch.rand(3, 4, 5, dtype=torch.float64)
    assert torch.allclose(torch.func.vmap(DCT2(), in_dims=1)(images), DCT2()(images.movedim(1, 0)), atol=1e-14)
    jacobian = torch.autograd.functional.jacobian(DCT2(), images[0]).reshape(20, 20)
    assert torch.allclose(jacobian @ jacobian.T, torch.eye(20, dtype=torch.float64), atol=1e-12)


@pytest.mark.parametrize("transform", [DCT2(), DCT3()])
def test_it_compiles_as_one_graph(transform: DCT2) -> None:
    image = torch.rand(9, 8, 10, requires_grad=True)
    compiled = torch.compile(lambda x: transform.inverse(transform(x).pow(2)), backend="aot_eager", fullgraph=True)
    expected = transform.inverse(transform(image).pow(2))
    assert torch.allclose(compiled(image), expected, atol=1e-6)
    found, wanted = (torch.autograd.grad(y.sum(), image)[0] for y in (compiled(image), expected))
    assert torch.allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize(("transform", "size"), [(DCT2(3), (40, 27)), (DCT3(2), (9, 12, 7)), (DCT2(6), (8, 8))])
def test_bands_part_the_coefficients_and_join_again(transform: DCT2, size: tuple[int, ...]) -> None:
    coefficients = transform(torch.rand(2, *size, dtype=torch.float64))
    parts = transform.split(coefficients)
    assert list(parts) == [band.key for band in transform.layout()]
    assert sum(part.numel() for part in parts.values()) == coefficients.numel()
    assert sum(energies(parts).values()) == pytest.approx(float(coefficients.square().sum()), rel=1e-12)
    assert all(
        part.untyped_storage().data_ptr() == coefficients.untyped_storage().data_ptr() for part in parts.values()
    )
    assert torch.equal(transform.join(parts, torch.zeros_like(coefficients)), coefficients)


def test_a_grating_lands_in_the_band_of_its_frequency_and_direction() -> None:
    transform, rows = DCT2(3), torch.arange(64, dtype=torch.float64)
    for band in transform.layout()[1:]:
        middle = sum(band.frequency) / 2
        y, x = (middle if letter == "H" else 0.0 for letter in reversed(band.name))
        wave = torch.cos(2 * torch.pi * y * (rows + 0.5))[:, None] * torch.cos(2 * torch.pi * x * (rows + 0.5))
        energy = energies(transform.split(transform(wave)))
        assert energy[band.key] > 0.9 * sum(energy.values())


def test_a_muted_band_is_gone_from_the_image() -> None:
    transform, image = DCT2(2), torch.rand(16, 16, dtype=torch.float64)
    muted = with_gains(transform, transform(image), {BandKey(0, 0): 0.0})
    assert abs(float(muted.mean())) < 1e-12
    with pytest.raises(ValueError, match="there is no band 7:0"):
        with_gains(transform, transform(image), {BandKey(7, 0): 0.0})


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="expected float32 or float64"):
        DCT2()(torch.zeros(8, 8, dtype=torch.int16))
    with pytest.raises(ValueError, match=r"\(\.\.\., D, H, W\)"):
        DCT3()(torch.zeros(8, 8))
    with pytest.raises(ValueError, match="at least 1, not 0"):
        DCT2(scales=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("transform", [DCT2(), DCT3()])
def test_a_gpu_gives_the_same(transform: DCT2) -> None:
    image = torch.rand(2, 17, 33, 50, dtype=torch.float64)
    on_gpu = transform(image.cuda())
    assert torch.allclose(on_gpu.cpu(), transform(image), atol=1e-12)
    assert float((transform.inverse(on_gpu).cpu() - image).abs().max()) < 1e-12
    x = image[:1, :3, :4, :5].cuda().requires_grad_()
    assert torch.autograd.gradcheck(transform, (x,))
