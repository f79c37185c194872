from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_medfreq.engine.anatomy import plane_of
from napari_medfreq.engine.frequencies import analysis as module
from napari_medfreq.engine.frequencies.analysis import Frequencies
from napari_medfreq.engine.frequencies.options import FrequencyOptions, Scope, TransformName
from napari_medfreq.engine.frequencies.presets import solo_gains
from napari_medfreq.errors import Cancelled, InputError
from napari_medfreq.transforms.bands import BandKey
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

TRANSFORMS: tuple[TransformName, ...] = ("contourlet", "nonsubsampled", "wavelet", "dct", "block-dct", "fourier")
LOW = BandKey(0, 0)


@pytest.fixture
def frequencies() -> Frequencies:
    return Frequencies()


def options_for(name: TransformName, **changes: Any) -> FrequencyOptions:
    return FrequencyOptions(name, levels=(2, 3), scales=2, **changes)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_bands_alone_add_up_to_the_image(
    name: TransformName, frequencies: Frequencies, photo: Volume, sink: Any
) -> None:
    options = options_for(name)
    layout = frequencies.layout(photo, options)
    total = np.zeros(photo.data.shape)
    for band in layout:
        alone = frequencies.filtered(photo, options, solo_gains(layout, [band.key]), sink)
        assert (alone.data.dtype, alone.axes, alone.channels) == (np.float32, photo.axes, photo.channels)
        total += alone.data
    np.testing.assert_allclose(total, photo.data, atol=0.01)


@pytest.mark.parametrize("side", [96, 101])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_energies_add_up_to_that_of_the_image(
    name: TransformName, side: int, frequencies: Frequencies, sink: Any
) -> None:
    """So that a share is what a user takes it for."""
    image = Volume(np.random.default_rng(0).normal(size=(side, side)), axes="yx")
    total = sum(measure.energy for measure in frequencies.analyse(image, options_for(name), sink).bands)
    assert total == pytest.approx(np.square(image.data).sum(), rel={"wavelet": 0.1, "block-dct": 0.08}.get(name, 0.03))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_what_is_muted_is_gone(name: TransformName, frequencies: Frequencies, sink: Any) -> None:
    """The energy of a band falls to (nearly) nothing in the image without it."""
    image = Volume(np.random.default_rng(0).normal(size=(128, 128)).astype(np.float32), axes="yx")
    options = options_for(name)
    before = {measure.key: measure.energy for measure in frequencies.analyse(image, options, sink).bands}
    key = max((key for key in before if key.scale > 0), key=lambda key: before[key])
    changed = frequencies.filtered(image, options, {key: 0.0}, sink)
    after = {measure.key: measure.energy for measure in frequencies.analyse(changed, options, sink).bands}
    assert after[key] < 0.25 * before[key]
    assert sum(after.values()) < sum(before.values())


def test_a_band_that_is_weighed_is_that_much_stronger(frequencies: Frequencies, volume: Volume, sink: Any) -> None:
    plane, options = plane_of(volume, "axial", 3), options_for("dct")
    once = frequencies.filtered(plane, options, solo_gains(frequencies.layout(plane, options), [BandKey(1, 0)]), sink)
    more = frequencies.filtered(plane, options, {BandKey(1, 0): 3.0}, sink)
    np.testing.assert_allclose(more.data - plane.data, 2 * once.data, atol=1e-5)


def test_without_gains_the_image_is_exactly_itself(frequencies: Frequencies, photo: Volume, sink: Any) -> None:
    for gains in ({}, {LOW: 1.0}):
        np.testing.assert_array_equal(frequencies.filtered(photo, options_for("wavelet"), gains, sink).data, photo.data)


@pytest.mark.parametrize(("name", "scope"), [("contourlet", "slice"), ("dct", "slice"), ("wavelet", "volume")])
def test_a_volume_is_changed_where_it_lies(
    name: TransformName, scope: Scope, frequencies: Frequencies, volume: Volume, sink: Any
) -> None:
    options = options_for(name, scope=scope, plane="coronal")
    gains = {LOW: 0.0}
    changed = frequencies.filtered(volume, options, gains, sink)
    assert changed.data.shape == volume.data.shape
    np.testing.assert_array_equal(changed.affine, volume.affine)
    if scope == "slice":
        alone = frequencies.filtered(plane_of(volume, "coronal", 5), options, gains, sink)
        np.testing.assert_array_equal(plane_of(changed, "coronal", 5).data, alone.data)
        assert sink.arrays["filtered"] is changed.data
        assert len(sink.regions) == volume.data.shape[1]
        assert sink.steps[-1][:2] == (33, 33)


def test_planes_of_a_volume_are_measured_together(frequencies: Frequencies, volume: Volume, sink: Any) -> None:
    options = options_for("contourlet")
    whole = frequencies.analyse(volume, options, sink)
    planes = [frequencies.analyse(plane_of(volume, "axial", i), options, sink) for i in range(7)]
    for number, measure in enumerate(whole.bands):
        assert measure.energy == pytest.approx(sum(plane.bands[number].energy for plane in planes))
        assert measure.count == sum(plane.bands[number].count for plane in planes)
    assert sum(measure.share for measure in whole.bands) == pytest.approx(1.0)


def test_root_mean_square_does_not_grow_with_the_image(frequencies: Frequencies, sink: Any) -> None:
    rng = np.random.default_rng(0)
    for side in (64, 128):
        noise = Volume(3.0 * rng.normal(size=(side, side)), axes="yx")
        for measure in frequencies.analyse(noise, options_for("nonsubsampled"), sink).bands:
            assert measure.rms == pytest.approx(3.0, rel=0.25)


def test_frequencies_are_in_millimetres_only_where_those_are_known(frequencies: Frequencies, sink: Any) -> None:
    data = np.random.default_rng(0).normal(size=(64, 64))
    scan = Volume(data, np.diag([0.25, 0.25, 1.0, 1.0]), "yx")
    picture = Volume(data, axes="yx", calibrated=False)
    for image, unit, highest in ((scan, "cycles/mm", 2.0), (picture, "cycles/px", 0.5)):
        analysis = frequencies.analyse(image, options_for("contourlet"), sink)
        assert (analysis.unit, analysis.nyquist) == (unit, highest)
        assert analysis.bands[-1].frequency == (highest / 2, highest)


def test_analyses_are_kept_by_content(
    frequencies: Frequencies, photo: Volume, sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    analyse = module.analyse
    monkeypatch.setattr(module, "analyse", lambda *given: made.append(given[0].name) or analyse(*given))
    options = options_for("contourlet")
    frequencies.analyse(photo, options, sink)
    same = photo.like(photo.data.copy(), axes="cyx")
    for gain in (0.0, 0.5, 2.0):
        frequencies.filtered(same, options, {BandKey(1, 1): gain}, sink)
    assert len(made) == 1
    painted = photo.data.copy()
    painted[0, 3, 3] += 1
    frequencies.analyse(photo.like(painted, axes="cyx"), options, sink)
    frequencies.analyse(photo, options_for("wavelet"), sink)
    assert len(made) == 3
    frequencies.analyse(photo, options, sink)
    assert len(made) == 3, "the first one is still there"


def test_no_more_is_kept_than_was_allowed(photo: Volume, sink: Any) -> None:
    frequencies = Frequencies(budget=100_000)
    for shift in range(8):
        frequencies.analyse(photo.like(np.roll(photo.data, shift), axes="cyx"), options_for("wavelet"), sink)
    kept = list(frequencies._kept.values())
    assert 1 <= len(kept) <= 2
    huge = Frequencies(budget=1)
    huge.analyse(photo, options_for("wavelet"), sink)
    assert len(huge._kept) == 1, "the last one is kept however large"


def test_holes_stay_holes(frequencies: Frequencies, blobs: Callable[..., npt.NDArray[np.float32]], sink: Any) -> None:
    data = blobs((60, 70))
    data[10:12, 20:23] = np.nan
    changed = frequencies.filtered(Volume(data, axes="yx"), options_for("contourlet"), {LOW: 0.5}, sink)
    np.testing.assert_array_equal(np.isnan(changed.data), np.isnan(data))
    assert "6 of 4200 voxels" in _notes(frequencies, Volume(data, axes="yx"), sink)[0]


def test_a_constant_image_holds_a_low_pass_band_only(frequencies: Frequencies, sink: Any) -> None:
    flat = Volume(np.full((64, 64), 7, np.int16), axes="yx")
    for name in TRANSFORMS:
        analysis = frequencies.analyse(flat, options_for(name), sink)
        assert analysis.bands[0].share == pytest.approx(1.0, abs=1e-6)
    assert "same value everywhere" in sink.notes[0]
    black = frequencies.analyse(Volume(np.zeros((64, 64)), axes="yx"), options_for("dct"), sink)
    assert {measure.share for measure in black.bands} == {0.0}


@pytest.mark.parametrize("data", [np.eye(64) > 0, np.random.default_rng(0).integers(0, 9, (64, 64)).astype(">u2")])
def test_booleans_and_foreign_bytes_are_numbers(data: npt.NDArray[Any], frequencies: Frequencies, sink: Any) -> None:
    image = Volume(data, axes="yx")
    changed = frequencies.filtered(image, options_for("block-dct"), {LOW: 1.0, BandKey(1, 0): 1.0 + 1e-9}, sink)
    np.testing.assert_allclose(changed.data, data.astype(np.float32), atol=1e-5)


@pytest.mark.parametrize(
    ("image", "options", "words"),
    [
        (Volume(np.zeros((1, 64)), axes="yx", name="line"), FrequencyOptions(), "one pixel thin"),
        (Volume(np.zeros((4, 4)), axes="yx", name="stamp"), FrequencyOptions("nonsubsampled"), "fewer scales"),
        (Volume(np.zeros((64, 64), complex), axes="yx", name="k-space"), FrequencyOptions(), "magnitude"),
    ],
)
def test_what_cannot_be_transformed_says_why(
    image: Volume, options: FrequencyOptions, words: str, frequencies: Frequencies, sink: Any
) -> None:
    with pytest.raises(InputError, match=words) as caught:
        frequencies.analyse(image, options, sink)
    assert image.name in str(caught.value)


def test_an_unknown_band(frequencies: Frequencies, photo: Volume, sink: Any) -> None:
    with pytest.raises(InputError, match=r"no band 7:1. The bands \(scale:direction\) are 0:0, 1:0"):
        frequencies.filtered(photo, options_for("contourlet"), {BandKey(7, 1): 0.0}, sink)


def test_a_volume_that_does_not_fit_as_a_whole() -> None:
    vast = Volume(np.broadcast_to(np.int16(1), (2000, 4096, 4096)), name="vast")
    with pytest.raises(InputError, match=r"takes 939.* GB of memory, but only .* GB are free"):
        module.analyse(vast, FrequencyOptions("dct", scope="volume"))


def test_cancelled_between_planes(frequencies: Frequencies, volume: Volume, stopping_sink: Callable[..., Any]) -> None:
    sink = stopping_sink(Cancelled("enough"), patience=2)
    with pytest.raises(Cancelled):
        frequencies.filtered(volume, options_for("contourlet"), {LOW: 0.0}, sink)
    assert len(sink.regions) == 2


def test_a_file_is_not_read_as_a_whole_for_a_plane(tmp_path: Path, frequencies: Frequencies, sink: Any) -> None:
    """A plane of a mapped file of 1 GB, most of it holes, costs the memory of a plane."""
    import tracemalloc

    mapped = np.memmap(tmp_path / "scan.raw", np.int16, "w+", shape=(2000, 512, 512))
    scan = Volume(mapped, np.diag([0.7, 0.7, 1.0, 1.0]))
    tracemalloc.start()
    frequencies.analyse(plane_of(scan, "axial", 1000), options_for("contourlet"), sink)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100e6


def _notes(frequencies: Frequencies, image: Volume, sink: Any) -> list[str]:
    frequencies.analyse(image, FrequencyOptions(levels=(2,)), sink)
    return list(sink.notes)
