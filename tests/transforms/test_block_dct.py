from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.fft import dctn

from napari_medfreq.transforms.bands import BandKey, energies
from napari_medfreq.transforms.block_dct import BlockDCT

SIZES = [(8, 8), (9, 13), (31, 101), (128, 72), (1, 1)]
BLOCKS = [4, 5, 8, 16, 37, 64]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-6}


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("size", SIZES)
def test_reconstruction_is_exact_for_any_size(size: tuple[int, int], block: int, dtype: torch.dtype) -> None:
    transform, image = BlockDCT(block), torch.rand(2, 3, *size, dtype=dtype)
    bands = transform(image)
    assert bands.coefficients.shape[-4:-2] == (block, block)
    back = transform.inverse(bands)
    assert back.shape == image.shape
    assert float((back - image).abs().max()) < TOLERANCE[dtype]


@pytest.mark.parametrize("block", BLOCKS)
def test_each_block_has_the_coefficients_of_scipy(block: int) -> None:
    image = torch.rand(2 * block, 3 * block, dtype=torch.float64)
    found = BlockDCT(block)(image).coefficients
    for row in range(2):
        for column in range(3):
            piece = image[row * block : (row + 1) * block, column * block : (column + 1) * block]
            np.testing.assert_allclose(found[:, :, row, column], dctn(piece.numpy(), norm="ortho"), atol=1e-12)


def test_an_image_that_blocks_do_not_tile_is_mirrored() -> None:
    image = torch.rand(12, 10, dtype=torch.float64)
    padded = torch.from_numpy(np.pad(image.numpy(), ((0, 4), (0, 6)), "symmetric"))
    assert torch.equal(BlockDCT(8)(image).coefficients, BlockDCT(8)(padded).coefficients)


def test_gradients_are_right_and_it_compiles_as_one_graph() -> None:
    transform = BlockDCT(4)
    x = torch.randn(2, 5, 9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda image: transform(image).coefficients, (x,))
    coefficients = transform(x.detach()).coefficients.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda c: transform.inverse(transform(x)._replace(coefficients=c)), (coefficients,))
    assert torch.autograd.gradgradcheck(lambda image: transform(image).coefficients.pow(3), (x,))

    def changed(image: torch.Tensor) -> torch.Tensor:
        bands = transform(image)
        return transform.inverse(bands._replace(coefficients=bands.coefficients.pow(2)))

    compiled = torch.compile(changed, backend="aot_eager", fullgraph=True)
    assert torch.allclose(compiled(x), changed(x), atol=1e-12)


@pytest.mark.parametrize("block", [4, 8])
def test_bands_are_the_coefficients_shell_by_shell(block: int) -> None:
    transform = BlockDCT(block)
    bands = transform(torch.rand(3, 21, 16, dtype=torch.float64))
    parts, layout = transform.split(bands), transform.layout()
    assert list(parts) == [band.key for band in layout]
    assert len(parts) == block**2
    assert [sum(band.key.scale == scale for band in layout) for scale in range(block)] == list(range(1, 2 * block, 2))
    names = {band.key: band.name for band in layout}
    assert names[BandKey(2, 0)] == "(0, 2)"
    assert names[BandKey(2, 4)] == "(2, 0)"
    assert torch.equal(parts[BandKey(2, 3)], bands.coefficients[:, 2, 1])
    assert sum(energies(parts).values()) == pytest.approx(float(bands.coefficients.square().sum()), rel=1e-12)
    empty = bands._replace(coefficients=torch.zeros_like(bands.coefficients))
    assert torch.equal(transform.join(parts, empty).coefficients, bands.coefficients)


def test_bands_say_where_they_lie() -> None:
    layout = {band.name: band for band in BlockDCT(8).layout()}
    assert layout["(0, 0)"].angle is None
    assert layout["(0, 3)"].frequency == (2.5 / 16, 3.5 / 16)
    for name, degrees in (("(0, 3)", 0.0), ("(3, 3)", 45.0), ("(3, 0)", 90.0)):
        angle = layout[name].angle
        assert angle is not None
        assert angle[0] <= degrees <= angle[1]


def test_white_noise_keeps_its_variance_in_every_band() -> None:
    noise = torch.randn(800, 800, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    variances = [float(part.var()) for part in BlockDCT(4).split(BlockDCT(4)(noise)).values()]
    np.testing.assert_allclose(variances, 1.0, atol=0.05)


@pytest.mark.parametrize("block", [0, 3, 65])
def test_other_blocks_are_refused(block: int) -> None:
    with pytest.raises(ValueError, match="must be 4 to 64 pixels"):
        BlockDCT(block)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same() -> None:
    image = torch.rand(2, 33, 50, dtype=torch.float64)
    on_gpu = BlockDCT(8)(image.cuda())
    assert torch.allclose(on_gpu.coefficients.cpu(), BlockDCT(8)(image).coefficients, atol=1e-12)
    assert float((BlockDCT(8).inverse(on_gpu).cpu() - image).abs().max()) < 1e-12
