from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_medfreq.transforms.contourlet import Contourlet, ContourletBands, DirectionalBands

if TYPE_CHECKING:
    from collections.abc import Iterator

LEVELS = [(3, 3), (2,), (0,), (0, 3), (3, 0), (2, 3, 4), (5,), (0, 2, 2, 3)]
SIZES = [(64, 64), (352, 48), (37, 53), (31, 101), (50, 33), (1, 1), (1, 40), (2, 3), (7, 5)]


def image(size: tuple[int, ...], dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(size, dtype=torch.float64).to(dtype)


def parts(bands: ContourletBands) -> Iterator[torch.Tensor]:
    yield bands.low
    yield from itertools.chain.from_iterable(bands.scales)


def inner(one: ContourletBands, other: ContourletBands) -> float:
    return sum(float((a * b).sum()) for a, b in zip(parts(one), parts(other), strict=True))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("levels", LEVELS)
def test_reconstruction_is_exact_for_any_size(size: tuple[int, int], levels: tuple[int, ...]) -> None:
    transform, x = Contourlet(levels), image(size)
    back = transform.inverse(transform(x))
    assert back.shape == x.shape
    assert float((back - x).abs().max()) < 1e-12
    single = x.float()
    assert float((transform.inverse(transform(single)) - single).abs().max()) < 4e-6


@pytest.mark.parametrize(("pyramid", "directional"), [*itertools.product(["9-7", "5-3", "haar"], ["pkva", "haar"])])
def test_reconstruction_is_exact_for_every_filter(pyramid: str, directional: str) -> None:
    transform, x = Contourlet((2, 3), pyramid, directional), image((2, 3, 45, 39))  # type: ignore[arg-type]
    assert float((transform.inverse(transform(x)) - x).abs().max()) < 1e-12


def test_float32_keeps_its_precision_on_images_in_0_to_1() -> None:
    transform, x = Contourlet((2, 3)), torch.rand(2, 3, 67, 90)
    assert float((transform.inverse(transform(x)) - x).abs().max()) < 2e-6


def test_each_image_of_a_batch_is_transformed_alone() -> None:
    transform, x = Contourlet((2, 3)), image((2, 3, 33, 20))
    whole, alone = transform(x), transform(x[1, 2])
    for batch, single in zip(parts(whole), parts(alone), strict=True):
        assert torch.allclose(batch[1, 2], single, atol=1e-14)


@pytest.mark.parametrize("size", [(64, 64), (37, 53), (5, 9)])
@pytest.mark.parametrize("levels", [(3, 3), (0, 2), (2, 3, 4)])
def test_the_detail_is_what_the_bands_hold_without_the_low_pass(size: tuple[int, int], levels: tuple[int, ...]) -> None:
    transform, x = Contourlet(levels), image(size)
    bands = transform(x)
    expected = transform.inverse(bands._replace(low=torch.zeros_like(bands.low)))
    assert torch.allclose(transform.detail(x), expected, atol=1e-12)


def test_a_constant_image_has_no_detail() -> None:
    transform, x = Contourlet((2, 3)), torch.full((40, 27), 3.0, dtype=torch.float64)
    bands = transform(x)
    assert float(transform.detail(x).abs().max()) < 1e-10
    assert all(float(band.abs().max()) < 1e-10 for scale in bands.scales for band in scale)
    # The low-pass filters have the gain sqrt(2) along each axis, so 2 for each of two scales.
    assert torch.allclose(bands.low, torch.full_like(bands.low, 12.0))


def test_the_transform_is_linear() -> None:
    transform, x, y = Contourlet((2, 3)), image((30, 41)), image((30, 41))
    mixed = transform(2.0 * x - 3.0 * y)
    for one, a, b in zip(parts(mixed), parts(transform(x)), parts(transform(y)), strict=True):
        assert torch.allclose(one, 2.0 * a - 3.0 * b, atol=1e-12)


def test_gradients_are_those_of_the_adjoint() -> None:
    transform = Contourlet((2, 3))
    x, y = image((32, 32)).requires_grad_(), image((32, 32))
    weights = transform(y)
    inner_product = sum((a * b).sum() for a, b in zip(parts(transform(x)), parts(weights), strict=True))
    assert isinstance(inner_product, torch.Tensor)
    (adjoint,) = torch.autograd.grad(inner_product, x)
    # <T x, T y> = <x, T* T y>: what autograd calls the gradient must fulfil it for every x.
    for _ in range(3):
        other = image((32, 32))
        assert inner(transform(other), weights) == pytest.approx(float((other * adjoint).sum()), rel=1e-10)


def test_gradcheck() -> None:
    transform = Contourlet((2,))
    x = image((5, 6)).requires_grad_()

    def analysis(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(parts(transform(x)))

    assert torch.autograd.gradcheck(analysis, (x,))
    assert torch.autograd.gradcheck(transform.detail, (x,))
    low, *bands = (band.detach().requires_grad_() for band in parts(transform(x)))

    def synthesis(low: torch.Tensor, vertical: torch.Tensor, horizontal: torch.Tensor) -> torch.Tensor:
        return transform.inverse(ContourletBands(low, (DirectionalBands(vertical, horizontal),), (5, 6)))

    assert torch.autograd.gradcheck(synthesis, (low, *bands))


@pytest.mark.parametrize("level", [2, 3, 4])
def test_directional_bands_keep_the_variance_of_white_noise(level: int) -> None:
    # A directional bank is critically sampled: with a scale's variance kept, its energy is that of the detail.
    transform, noise = Contourlet((level,)), image((256, 256))
    detail = Contourlet((0,))(noise).scales[0].vertical
    energy = sum(float((band**2).sum()) for band in transform(noise).scales[0])
    assert energy == pytest.approx(float((detail**2).sum()), rel=0.15)


def test_a_tight_pyramid_keeps_the_energy() -> None:
    # The Haar pair is orthogonal, so its Laplacian pyramid is a tight frame with bound 1.
    transform, x = Contourlet((0, 0), "haar"), image((64, 48))
    bands = transform(x)
    assert inner(bands, bands) == pytest.approx(float((x**2).sum()), rel=1e-12)


@pytest.mark.parametrize("level", [2, 3, 4])
def test_a_grating_lands_in_the_wedge_of_its_direction(level: int) -> None:
    transform = Contourlet((level,))
    rows, columns = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    vertical, horizontal = transform.angles(level)
    centres = [*vertical, *horizontal]
    for number, degrees in enumerate(centres):
        # 'columns' run along +x and 'rows' along +y; at 2.6 rad/sample little of the pyramid's aliasing is left.
        x, y = 2.6 * np.cos(np.radians(degrees)), 2.6 * np.sin(np.radians(degrees))
        scale = transform(torch.cos(x * columns + y * rows)).scales[0]
        energy = [float((band[i] ** 2).sum()) for band in scale for i in range(len(band))]
        assert int(np.argmax(energy)) == number
        assert max(energy) > 0.5 * sum(energy)


@pytest.mark.parametrize("levels", [(2,), (3, 3), (2, 3, 4)])
def test_redundancy_is_below_four_thirds_where_the_size_fits(levels: tuple[int, ...]) -> None:
    transform = Contourlet(levels)
    side = 4 * transform.multiple
    bands = transform(image((side, side)))
    redundancy = sum(band.numel() for band in parts(bands)) / side**2
    assert 1.0 < redundancy < 4 / 3


def test_bands_have_the_shapes_that_are_promised() -> None:
    bands = Contourlet((0, 2, 3))(image((3, 64, 96)))
    assert bands.low.shape == (3, 8, 12)
    assert [tuple(b.shape) for b in bands.scales[0]] == [(3, 1, 16, 24), (3, 0, 16, 24)]
    assert [tuple(b.shape) for b in bands.scales[1]] == [(3, 2, 16, 24), (3, 2, 16, 24)]
    assert [tuple(b.shape) for b in bands.scales[2]] == [(3, 4, 32, 24), (3, 4, 16, 48)]
    assert bands.size == (64, 96)


@pytest.mark.parametrize("levels", [(), (1,), (3, 1), (-2,), (7,)])
def test_levels_that_do_not_exist_are_refused(levels: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="levels must be 0 or 2 to 6"):
        Contourlet(levels)


@pytest.mark.parametrize("bad", [torch.zeros(8, 8, dtype=torch.int64), torch.zeros(8), torch.zeros(3, 0, 8)])
def test_what_is_no_image_is_refused(bad: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="expected float32 or float64 of shape"):
        Contourlet()(bad)
    with pytest.raises(ValueError, match="expected float32 or float64 of shape"):
        Contourlet().detail(bad)
