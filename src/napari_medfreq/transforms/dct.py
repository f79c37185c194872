"""The two-dimensional DCT-II basis and the pooling of a feature map onto a few of its coefficients."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

GRID = 7
"""Side of the grid on which coefficients are taken."""

# The (row, column) frequencies that Qin et al. (FcaNet, ICCV 2021) found to help most, best first, on a 7x7 grid.
TOP_FREQUENCIES = (
    (0, 0), (0, 1), (6, 0), (0, 5), (0, 2), (1, 0), (1, 2), (4, 0),
    (5, 0), (1, 6), (3, 0), (0, 4), (0, 6), (0, 3), (3, 5), (2, 2),
    (4, 6), (6, 3), (3, 3), (5, 3), (5, 5), (2, 1), (6, 1), (5, 2),
    (5, 4), (3, 2), (3, 1), (4, 1), (2, 3), (2, 0), (6, 5), (1, 3),
)  # fmt: skip


@lru_cache(maxsize=32)
def dct_matrix(size: int, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu") -> Tensor:
    """Return the orthonormal DCT-II matrix, shape (size, size): row ``u`` is ``c_u cos(pi u (x + 1/2) / size)``."""
    positions = torch.arange(size, dtype=torch.float64) + 0.5
    matrix = torch.cos(math.pi / size * torch.arange(size, dtype=torch.float64)[:, None] * positions)
    matrix *= math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix.to(device, dtype)


def dct_basis(frequencies: int) -> Tensor:
    """Return the images of the first `frequencies` of `TOP_FREQUENCIES`, shape (frequencies, GRID, GRID), float64.

    Raises
    ------
    ValueError
        If `frequencies` is not one of 1, 2, 4, 8, 16, 32.
    """
    if frequencies not in (1, 2, 4, 8, 16, 32):
        raise ValueError(f"the number of DCT coefficients must be 1, 2, 4, 8, 16 or 32, not {frequencies}")
    matrix = dct_matrix(GRID)
    return torch.stack([torch.outer(matrix[u], matrix[v]) for u, v in TOP_FREQUENCIES[:frequencies]])
