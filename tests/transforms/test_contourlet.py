from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest
import torch

from napari_medfreq.transforms.bands import Band, BandKey, energies, with_gains
from napari_medfreq.transforms.contourlet import Contourlet, ContourletBands, DirectionalBands
from napari_medfreq.transforms.filters import DirectionalFilter, PyramidFilter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

LEVELS = [(3, 3), (1,), (0,), (0, 3), (3, 1), (3, 3, 4), (6,), (0, 2, 1, 3)]
SIZES = [(64, 64), (352, 48), (37, 53), (31, 101), (50, 33), (8, 8), (8, 11), (1, 1), (1, 40), (7, 5)]
CLASSICAL: tuple[PyramidFilter, DirectionalFilter] = ("9-7", "pkva")
FILTERS = list(itertools.product(get_args(PyramidFilter), get_args(DirectionalFilter)))


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
    single = torch.rand(size)
    assert float((transform.inverse(transform(single)) - single).abs().max()) < 2e-6


@pytest.mark.parametrize("filters", FILTERS)
@pytest.mark.parametrize("levels", [(1, 2), (3, 3, 4)])
def test_reconstruction_is_exact_for_every_filter(
    levels: tuple[int, ...], filters: tuple[PyramidFilter, DirectionalFilter]
) -> None:
    transform, x = Contourlet(levels, *filters), torch.rand(2, 3, 45, 39, dtype=torch.float64)
    assert float((transform.inverse(transform(x)) - x).abs().max()) < 1e-12
    single = x.float()
    assert float((transform.inverse(transform(single)) - single).abs().max()) < 2e-6


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
    transform, x = Contourlet((2, 3), *CLASSICAL), torch.full((40, 27), 3.0, dtype=torch.float64)
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


@pytest.mark.parametrize("filters", FILTERS)
@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_directional_bands_keep_the_variance_of_white_noise(
    level: int, filters: tuple[PyramidFilter, DirectionalFilter]
) -> None:
    # A directional bank is critically sampled: with a scale's variance kept, its energy is that of the detail.
    transform, noise = Contourlet((level,), *filters), image((256, 256))
    detail = Contourlet((0,), *filters)(noise).scales[0].vertical
    energy = sum(float((band**2).sum()) for band in transform(noise).scales[0])
    assert energy == pytest.approx(float((detail**2).sum()), rel=0.15)


@pytest.mark.parametrize("levels", [(0, 0), (1, 1), (3, 3, 4), (2, 0, 5)])
def test_the_energies_of_all_bands_add_up_to_that_of_the_image(levels: tuple[int, ...]) -> None:
    transform, x = Contourlet(levels), image((64, 96))
    bands = transform(x)
    assert sum(energies(transform.split(bands)).values()) == pytest.approx(float((x**2).sum()), rel=1e-12)


def test_an_orthogonal_pyramid_keeps_the_energy() -> None:
    transform, x = Contourlet((0, 0), "haar"), image((64, 48))
    bands = transform(x)
    assert inner(bands, bands) == pytest.approx(float((x**2).sum()), rel=1e-12)


def gratings(bands: list[Band], side: int) -> Tensor:
    """A cosine pattern in the middle of each band's cell, of a whole number of periods along both axes."""
    patterns = []
    for band in bands:
        assert band.angle is not None
        main = round(side * sum(band.frequency) / 2)
        vertical = sum(band.angle) / 2 > 45
        low, high = (90 - degree if vertical else degree for degree in band.angle)
        cross = round(main * (np.tan(np.radians(low)) + np.tan(np.radians(high))) / 2)
        y, x = (main, cross) if vertical else (cross, main)
        place = torch.arange(side, dtype=torch.float64) * 2 * np.pi / side
        patterns.append(torch.cos(y * place[:, None] + x * place[None, :] + 0.3))
    return torch.stack(patterns)


def shares(transform: Contourlet, bands: list[Band], side: int = 256) -> list[float]:
    """The share of the energy of all bands that the grating in the middle of each band's cell leaves in that band."""
    parts = transform.split(transform(gratings(bands, side)))
    energy = {key: part.square().sum(dim=(-2, -1)) for key, part in parts.items()}
    total = torch.stack(list(energy.values())).sum(dim=0)
    return [float(energy[band.key][i] / total[i]) for i, band in enumerate(bands)]


@pytest.mark.parametrize("levels", [(1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4), (3, 3, 4), (0, 5)])
def test_a_pure_grating_lands_in_the_band_of_its_direction_and_scale(levels: tuple[int, ...]) -> None:
    """In the middle of its cell, that is, away from the transitions of the filters; of every cell of every scale."""
    transform = Contourlet(levels)
    bands = [band for band in transform.layout() if band.angle is not None]
    assert len(bands) == sum(2**level for level in levels if level)
    assert min(shares(transform, bands)) > 0.999


@pytest.mark.parametrize(
    ("levels", "filters", "least"),
    [
        ((1,), CLASSICAL, 0.9),
        ((2,), CLASSICAL, 0.9),
        ((3,), CLASSICAL, 0.9),
        ((4,), ("9-7", "meyer"), 0.9),
        # The classical pyramid's alias goes to the finer scale; the ladder's edges are as wide as wedges of level 4.
        ((3, 3, 3), CLASSICAL, 0.75),
        ((3, 3, 3), ("meyer", "pkva"), 0.99),
        ((4, 4, 4), CLASSICAL, 0.55),
    ],
)
def test_what_a_pure_grating_leaves_in_its_band_with_other_filters(
    levels: tuple[int, ...], filters: tuple[PyramidFilter, DirectionalFilter], least: float
) -> None:
    transform = Contourlet(levels, *filters)
    bands = [band for band in transform.layout() if band.angle is not None]
    assert min(shares(transform, bands)) > least


def test_slow_patterns_land_in_the_low_pass_band() -> None:
    transform = Contourlet((2, 3))
    place = torch.arange(64, dtype=torch.float64) * 2 * np.pi / 64
    energy = energies(transform.split(transform(torch.cos(3 * place[:, None] + 2 * place[None, :]))))
    assert energy[BandKey(0, 0)] > 0.999 * sum(energy.values())


def test_the_layout_tiles_the_plane() -> None:
    low, *bands = Contourlet((0, 1, 3)).layout()
    assert low == Band(BandKey(0, 0), (0.0, 1 / 16), name="low")
    assert [band.key.scale for band in bands] == [1] + 2 * [2] + 8 * [3]
    assert [band.frequency for band in (bands[0], bands[1], bands[3])] == [
        (1 / 16, 1 / 8),
        (1 / 8, 1 / 4),
        (1 / 4, 1 / 2),
    ]
    assert bands[0].angle is None
    angles = [band.angle for band in bands[3:] if band.angle is not None]
    assert angles[0][0] == pytest.approx(-45)
    assert angles[-1][1] == pytest.approx(135)
    for (_, end), (start, _) in itertools.pairwise(angles):
        assert start == pytest.approx(end)


@pytest.mark.parametrize("levels", [(2, 3), (1, 0, 3)])
def test_bands_can_be_weighed(levels: tuple[int, ...]) -> None:
    transform, x = Contourlet(levels), image((2, 37, 40))
    bands = transform(x)
    parts_by_key = transform.split(bands)
    assert list(parts_by_key) == [band.key for band in transform.layout()]
    assert torch.allclose(with_gains(transform, bands, dict.fromkeys(parts_by_key, 1.0)), x, atol=1e-12)
    key = list(parts_by_key)[-2]
    muted = with_gains(transform, bands, {key: 0.0})
    parts_by_key[key].zero_()  # shares memory with the bands
    assert torch.allclose(muted, transform.inverse(bands), atol=1e-12)
    assert float((muted - x).abs().max()) > 1e-3


def test_joining_takes_the_rest_from_what_it_is_like() -> None:
    transform = Contourlet((1, 3))
    bands, other = transform(image((32, 32))), transform(image((32, 32)))
    key = BandKey(2, 6)
    joined = transform.split(transform.join({key: transform.split(other)[key]}, bands))
    for name, part in joined.items():
        assert torch.equal(part, transform.split(other if name == key else bands)[name])


@pytest.mark.parametrize("filters", [("meyer", "meyer"), CLASSICAL])
def test_a_compiled_program_computes_the_same(filters: tuple[PyramidFilter, DirectionalFilter]) -> None:
    transform = Contourlet((1, 3), *filters)

    def program(x: Tensor) -> Tensor:
        bands = transform(x)
        muted = bands._replace(low=torch.zeros_like(bands.low))
        return transform.inverse(muted) * 2 + transform.detail(x).abs()

    compiled = torch.compile(program, backend="aot_eager", fullgraph=True)
    for size in [(3, 37, 40), (3, 37, 40), (24, 18)]:  # twice the same: the masks then come from the cache
        x, y = (image(size).requires_grad_() for _ in range(2))
        with torch.no_grad():
            y.copy_(x)
        assert torch.allclose(program(x), compiled(y), atol=1e-12)
        program(x).square().sum().backward()
        compiled(y).square().sum().backward()
        assert x.grad is not None
        assert y.grad is not None
        assert torch.allclose(x.grad, y.grad, atol=1e-10)


@pytest.mark.parametrize("levels", [(1,), (3, 3), (2, 3, 4)])
def test_redundancy_is_below_four_thirds_where_the_size_fits(levels: tuple[int, ...]) -> None:
    transform = Contourlet(levels)
    side = 4 * transform.multiple
    bands = transform(image((side, side)))
    redundancy = sum(band.numel() for band in parts(bands)) / side**2
    assert 1.0 < redundancy < 4 / 3


def test_bands_have_the_shapes_that_are_promised() -> None:
    bands = Contourlet((0, 2, 3))(image((3, 64, 96)))
    quincunx = Contourlet((1,))(image((3, 64, 96))).scales[0]
    assert [tuple(b.shape) for b in quincunx] == [(3, 1, 32, 96), (3, 1, 64, 48)]
    assert bands.low.shape == (3, 8, 12)
    assert [tuple(b.shape) for b in bands.scales[0]] == [(3, 1, 16, 24), (3, 0, 16, 24)]
    assert [tuple(b.shape) for b in bands.scales[1]] == [(3, 2, 16, 24), (3, 2, 16, 24)]
    assert [tuple(b.shape) for b in bands.scales[2]] == [(3, 4, 32, 24), (3, 4, 16, 48)]
    assert bands.size == (64, 96)


@pytest.mark.parametrize("levels", [(), (3, 7), (-2,), (2.5,)])
def test_levels_that_do_not_exist_are_refused(levels: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="levels must be 0 to 6"):
        Contourlet(levels)


def test_filters_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="pyramid filter 'burt' is not one of 9-7, 5-3, haar, meyer"):
        Contourlet((2,), "burt")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="directional filter 'cd' is not one of pkva, haar, meyer"):
        Contourlet((2,), "meyer", "cd")  # type: ignore[arg-type]


def test_coefficients_of_another_transform_are_refused() -> None:
    bands = Contourlet((2, 3))(image((32, 32)))
    with pytest.raises(ValueError, match="coefficients of 3 scales, not 2"):
        Contourlet((2, 3, 3)).inverse(bands)
    with pytest.raises(ValueError, match=r"scale 2 of level 4"):
        Contourlet((2, 4)).inverse(bands)


@pytest.mark.parametrize("bad", [torch.zeros(8, 8, dtype=torch.int64), torch.zeros(8), torch.zeros(3, 0, 8)])
def test_what_is_no_image_is_refused(bad: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="expected float32 or float64 of shape"):
        Contourlet()(bad)
    with pytest.raises(ValueError, match="expected float32 or float64 of shape"):
        Contourlet().detail(bad)
