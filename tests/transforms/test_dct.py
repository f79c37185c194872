from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.fft import dctn

from napari_medfreq.transforms.dct import GRID, TOP_FREQUENCIES, dct_basis, dct_matrix


@pytest.mark.parametrize("size", [1, 2, 7, 32])
def test_the_matrix_is_orthonormal(size: int) -> None:
    matrix = dct_matrix(size)
    assert torch.allclose(matrix @ matrix.T, torch.eye(size, dtype=torch.float64), atol=1e-13)


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
