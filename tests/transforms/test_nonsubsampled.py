"""The non-subsampled contourlet: exact, shift-invariant, sharp, and no larger than memory allows."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_medfreq.transforms import nonsubsampled_masks
from napari_medfreq.transforms.bands import BandKey, energies
from napari_medfreq.transforms.bands import with_gains as with_gains_of_all
from napari_medfreq.transforms.nonsubsampled import NonsubsampledBands, NonsubsampledContourlet

if TYPE_CHECKING:
    from napari_medfreq.transforms.bands import Band


def image(size: tuple[int, ...], dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.rand(size, dtype=dtype, generator=torch.Generator().manual_seed(sum(size)))


def tensors(bands: NonsubsampledBands) -> list[torch.Tensor]:
    return [bands.low, *bands.scales]


@pytest.mark.parametrize("size", [(8, 8), (8, 13), (31, 37), (64, 48), (101, 64)])
@pytest.mark.parametrize("levels", [(2,), (0, 1), (2, 3), (3, 3, 4), (6,)])
def test_reconstruction_is_exact_at_any_size(size: tuple[int, int], levels: tuple[int, ...]) -> None:
    transform, x = NonsubsampledContourlet(levels), image((2, *size))
    bands = transform(x)
    assert all(band.shape[-2:] == size for band in tensors(bands))
    assert float((transform.inverse(bands) - x).abs().max()) < 1e-12


@pytest.mark.parametrize("pyramid", ["meyer", "9-7", "5-3", "haar"])
@pytest.mark.parametrize("directional", ["meyer", "pkva", "haar"])
def test_reconstruction_is_exact_for_every_filter(pyramid: str, directional: str) -> None:
    transform, x = NonsubsampledContourlet((2, 3, 4), pyramid, directional), image((2, 1, 37, 50))  # type: ignore[arg-type]
    assert float((transform.inverse(transform(x)) - x).abs().max()) < 1e-12
    single = image((2, 1, 37, 50), torch.float32)
    assert float((transform.inverse(transform(single)) - single).abs().max()) < 2e-6


def test_changed_coefficients_come_back_as_the_nearest_image() -> None:
    """The inverse of what is no image's transform projects: analysing it again changes nothing more."""
    transform = NonsubsampledContourlet((2, 3))
    bands = transform(image((24, 31)))
    cut = NonsubsampledBands(bands.low, tuple(scale.clamp(-0.1, 0.1) for scale in bands.scales))
    projected = transform(transform.inverse(cut))
    rest = transform.join({}, cut)
    gap = {key: transform.split(cut)[key] - part for key, part in transform.split(projected).items()}
    weights = transform.weights(cut.low)
    for probe in (transform(image((24, 31))), projected):
        inner = sum(float((gap[key] * part).sum()) * weights[key] for key, part in transform.split(probe).items())
        assert abs(inner) < 1e-10
    assert rest.low is cut.low


@pytest.mark.parametrize("shift", [(1, 0), (0, 1), (5, -3)])
@pytest.mark.parametrize("size", [(32, 32), (29, 40)])
def test_a_circular_shift_shifts_every_band_and_nothing_else(shift: tuple[int, int], size: tuple[int, int]) -> None:
    transform, x = NonsubsampledContourlet((2, 3, 4)), image((3, *size))
    shifted = transform(x.roll(shift, dims=(-2, -1)))
    for moved, band in zip(tensors(shifted), tensors(transform(x)), strict=True):
        assert torch.allclose(moved, band.roll(shift, dims=(-2, -1)), rtol=0, atol=1e-12)


def grating(band: Band, side: int) -> torch.Tensor:
    """A pure grating in the middle of the band's cell, of whole periods."""
    assert band.angle is not None
    vertical = band.angle[0] >= 44.9
    edges = np.tan(np.radians(np.asarray(band.angle) - (90 if vertical else 0)))
    main = sum(band.frequency) / 2
    cross = main * float(edges.mean())
    fx, fy = (-cross, main) if vertical else (main, cross)
    periods_x, periods_y = round(fx * side), round(fy * side)
    rows, columns = torch.meshgrid(*[torch.arange(side, dtype=torch.float64)] * 2, indexing="ij")
    return torch.cos(2 * torch.pi * (periods_x * columns + periods_y * rows) / side)


@pytest.mark.parametrize(
    ("levels", "pyramid", "directional", "least"),
    [
        ((3, 4), "meyer", "meyer", 0.999),
        ((1, 2, 3), "meyer", "meyer", 0.999),
        ((2, 2, 5), "meyer", "meyer", 0.99),
        ((6,), "meyer", "meyer", 0.99),
        ((4, 4, 4, 4), "meyer", "pkva", 0.99),
        ((2, 3, 4), "9-7", "pkva", 0.95),
        ((3, 3), "5-3", "pkva", 0.95),
    ],
)
def test_a_grating_lands_in_the_band_of_its_direction_and_scale(
    levels: tuple[int, ...], pyramid: str, directional: str, least: float
) -> None:
    transform = NonsubsampledContourlet(levels, pyramid, directional)  # type: ignore[arg-type]
    for band in transform.layout():
        if band.angle is not None:
            energy = energies(transform.split(transform(grating(band, 128))))
            assert energy[band.key] > least * sum(energy.values()), f"band {band.key} at {band.angle}"


def test_the_layout_covers_half_a_turn_by_rising_angle() -> None:
    transform = NonsubsampledContourlet((0, 1, 4))
    layout = transform.layout()
    assert [band.key for band in layout] == list(transform.split(transform(image((16, 16)))))
    assert [band.frequency for band in layout if band.key.direction == 0] == [
        (0, 1 / 16), (1 / 16, 1 / 8), (1 / 8, 1 / 4), (1 / 4, 1 / 2)
    ]  # fmt: skip
    assert [layout[0].angle, layout[1].angle] == [None, None]
    for scale, count in ((2, 2), (3, 16)):
        angles = [band.angle for band in layout if band.key.scale == scale]
        assert len(angles) == count
        limits = np.asarray(angles)
        assert (limits[0, 0], limits[-1, 1]) == pytest.approx((-45, 135))
        assert all(one[1] == pytest.approx(following[0]) for one, following in pairwise(limits))


def test_white_noise_has_unit_variance_in_every_band() -> None:
    transform = NonsubsampledContourlet((2, 3))
    noise = torch.randn(64, 64, 64, generator=torch.Generator().manual_seed(0))
    for key, band in transform.split(transform(noise)).items():
        assert float(band.var()) == pytest.approx(1, abs=0.06), key


def test_weighted_energies_add_up_to_that_of_the_image() -> None:
    transform, x = NonsubsampledContourlet((3, 4), "9-7", "pkva"), image((45, 32))
    weights = transform.weights(x)
    assert sum(weights.values()) == pytest.approx(1, abs=1e-12)
    total = sum(weights[key] * energy for key, energy in energies(transform.split(transform(x))).items())
    assert total == pytest.approx(float(x.square().sum()), rel=1e-12)


def test_a_constant_image_has_no_detail() -> None:
    for pyramid in ("meyer", "9-7", "5-3", "haar"):
        bands = NonsubsampledContourlet((2, 3), pyramid)(torch.full((40, 27), 3.0, dtype=torch.float64))  # type: ignore[arg-type]
        assert all(float(scale.abs().max()) < 1e-6 for scale in bands.scales), pyramid


def test_one_band_after_the_other_is_the_same_as_all_at_once() -> None:
    transform, x = NonsubsampledContourlet((0, 2, 3)), image((2, 33, 20))
    parts = transform.split(transform(x))
    one_by_one = list(transform.bands(x))
    assert [key for key, _ in one_by_one] == list(parts)
    assert all(torch.allclose(band, parts[key], atol=1e-14) for key, band in one_by_one)
    assert torch.allclose(transform.inverse(transform.bands(x)), x, atol=1e-12)


def test_bands_that_do_not_come_count_as_zero() -> None:
    transform, x = NonsubsampledContourlet((2, 3)), image((33, 20))
    muted = {BandKey(1, 1), BandKey(2, 4), BandKey(2, 5), BandKey(2, 7)}
    some = transform.inverse((key, band) for key, band in transform.bands(x) if key not in muted)
    assert torch.allclose(some, with_gains_of_all(transform, transform(x), dict.fromkeys(muted, 0.0)), atol=1e-12)


def test_gains_need_no_bands() -> None:
    transform, x = NonsubsampledContourlet((2, 0, 3)), image((2, 21, 32))
    gains = {BandKey(0, 0): 1.5, BandKey(1, 3): 0.0, BandKey(2, 0): -1.0, BandKey(3, 6): 2.0}
    assert torch.allclose(transform.with_gains(x, gains), with_gains_of_all(transform, transform(x), gains), atol=1e-12)
    assert torch.allclose(transform.with_gains(x, {}), x, atol=1e-14)


def test_joining_takes_the_others_from_what_was_there() -> None:
    transform = NonsubsampledContourlet((2, 3))
    bands, other = transform(image((16, 16))), transform(image((2, 16, 16))[1])
    joined = transform.join({BandKey(2, 3): other.scales[1][3], BandKey(0, 0): other.low}, bands)
    assert torch.equal(joined.scales[1][3], other.scales[1][3])
    assert torch.equal(joined.scales[1][4], bands.scales[1][4])
    assert joined.low is other.low
    assert joined.scales[0] is bands.scales[0]


def test_masks_too_large_to_be_kept_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    transform, x = NonsubsampledContourlet((2, 3)), image((40, 36))
    bands, gains = transform(x), {BandKey(2, 2): 0.0}
    changed = transform.with_gains(x, gains)
    monkeypatch.setattr(nonsubsampled_masks, "KEPT_BYTES", 0)
    assert all(torch.equal(a, b) for a, b in zip(tensors(transform(x)), tensors(bands), strict=True))
    assert torch.allclose(transform.inverse(transform.bands(x)), x, atol=1e-12)
    assert torch.equal(transform.with_gains(x, gains), changed)


def test_gradcheck() -> None:
    transform, x = NonsubsampledContourlet((1, 2)), image((2, 8, 9)).requires_grad_()
    bands = [band.detach().requires_grad_() for band in tensors(transform(x))]

    def synthesis(low: torch.Tensor, *scales: torch.Tensor) -> torch.Tensor:
        return transform.inverse(NonsubsampledBands(low, scales))

    def muted(x: torch.Tensor) -> torch.Tensor:
        return transform.with_gains(x, {BandKey(2, 1): 0.0})

    def in_turn(x: torch.Tensor) -> torch.Tensor:
        return transform.inverse((key, band * band) for key, band in transform.bands(x))

    assert torch.autograd.gradcheck(lambda x: tuple(tensors(transform(x))), (x,))
    assert torch.autograd.gradcheck(synthesis, bands)
    assert torch.autograd.gradcheck(muted, (x,))
    assert torch.autograd.gradcheck(in_turn, (x,))
    assert torch.autograd.gradgradcheck(synthesis, bands)


def test_it_compiles_as_one_graph() -> None:
    transform, x = NonsubsampledContourlet((2, 3)), image((2, 20, 17), torch.float32)

    def shrunk(x: torch.Tensor) -> torch.Tensor:
        low, scales = transform(x)
        return transform.inverse(NonsubsampledBands(low, tuple(torch.nn.functional.softshrink(s, 0.1) for s in scales)))

    results, gradients = [], []
    for function in (shrunk, torch.compile(shrunk, backend="aot_eager", fullgraph=True)):
        y = x.clone().requires_grad_()
        results.append(function(y))
        gradients.append(torch.autograd.grad(results[-1].square().sum(), y)[0])
    assert torch.allclose(results[0], results[1], atol=1e-6)
    assert torch.allclose(gradients[0], gradients[1], atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_graphics_card_gives_the_same() -> None:
    transform, x = NonsubsampledContourlet((2, 3)), image((2, 40, 33))
    bands = transform(x.cuda())
    assert all(
        torch.allclose(a.cpu(), b, atol=1e-12) for a, b in zip(tensors(bands), tensors(transform(x)), strict=True)
    )
    assert torch.allclose(transform.inverse(bands).cpu(), x, atol=1e-12)


@pytest.mark.parametrize("levels", [(), (-1,), (7,), (2, 9)])
def test_levels_that_do_not_exist_are_refused(levels: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="levels must be 0 to 6"):
        NonsubsampledContourlet(levels)


def test_filters_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="pyramid filter 'pkva' is not one of"):
        NonsubsampledContourlet((2,), "pkva")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="directional filter '9-7' is not one of"):
        NonsubsampledContourlet((2,), "9-7", "9-7")  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [torch.zeros(8, 8, dtype=torch.int64), torch.zeros(8), torch.zeros(3, 0, 8)])
def test_what_is_no_image_is_refused(bad: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="expected float32 or float64 of shape"):
        NonsubsampledContourlet()(bad)


def test_images_too_small_are_refused_with_the_size_that_is_needed() -> None:
    for call in (NonsubsampledContourlet((2, 2, 2)), lambda x: list(NonsubsampledContourlet((2, 2, 2)).bands(x))):
        with pytest.raises(ValueError, match="at least 8 x 8 pixels, not 7 x 9"):
            call(torch.zeros(7, 9))


def test_bands_of_another_transform_are_refused() -> None:
    transform, x = NonsubsampledContourlet((2, 3)), image((16, 16))
    with pytest.raises(ValueError, match=r"expected coefficients with \(1, 4, 8\) bands a scale"):
        transform.inverse(NonsubsampledContourlet((3, 3))(x))
    with pytest.raises(ValueError, match="there is no band 1:4; there are 0:0"):
        transform.inverse(NonsubsampledContourlet((3, 3)).bands(x))
    with pytest.raises(ValueError, match="there is no band 3:0"):
        transform.with_gains(x, {BandKey(3, 0): 0.0})
    with pytest.raises(ValueError, match="no band to make an image of"):
        transform.inverse([])
    with pytest.raises(ValueError, match="band 1:0 came twice or too late"):
        transform.inverse([(BandKey(1, 1), x), (BandKey(1, 0), x)])
