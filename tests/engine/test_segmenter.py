from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import permutations
from typing import TYPE_CHECKING, Any, get_args

import nibabel
import numpy as np
import pytest
import torch
from torch.nn import functional

from napari_medfreq.engine.monte_carlo import entropy, probabilities
from napari_medfreq.engine.options import Measure, Method, Segmentation, SegmentOptions
from napari_medfreq.engine.segmenter import Segmenter
from napari_medfreq.engine.weights import load_network
from napari_medfreq.errors import Cancelled, ComputeError, InputError, ModelError
from napari_medfreq.io.files import read
from napari_medfreq.io.model_config import Calibration
from napari_medfreq.nn.dropout import draw_masks
from napari_medfreq.nn.inputs import resize
from napari_medfreq.nn.mmsnet import MMSNetConfig
from napari_medfreq.volume import Orientation, Volume, reoriented_affine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_medfreq.io.models import ModelFolder
    from napari_medfreq.nn.dropout import PassMasks

EXACT = SegmentOptions(device="cpu", precision="float32")
OUT_OF_MEMORY = "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory"


@cache
def opened(path: Path) -> Segmenter:
    """Open a model once for all tests, on the processor: the same on every machine."""
    return Segmenter.open(path, "cpu")


def arrays(result: Segmentation) -> dict[str, Any]:
    parts = {"labels": result.labels, "probability": result.probability, "uncertainty": result.uncertainty}
    return {name: part.data for name, part in parts.items() if part is not None}


def assert_close(a: Segmentation, b: Segmentation, tolerance: float = 2e-3) -> None:
    """Probabilities agree to float16, masks but for voxels on the threshold."""
    np.testing.assert_allclose(a.probability.data.astype(float), b.probability.data.astype(float), atol=tolerance)
    assert (a.labels.data != b.labels.data).mean() < 0.005


# --- what is found is what the network says, where it says it


def test_a_photograph_gets_what_the_network_says(rgb_model: ModelFolder, photo: Volume, sink: Any) -> None:
    """The plain way, written out: scale, resize, network, sigmoid, resize back."""
    network = load_network(rgb_model)
    image = torch.from_numpy(photo.data)[None].float() / 255
    with torch.inference_mode():
        expected = resize(network(resize(image, 64)).sigmoid(), (51, 77))[0, 0].numpy()
    result = opened(rgb_model.path).segment(photo, EXACT, sink)
    np.testing.assert_allclose(result.probability.data, expected, atol=1e-3)
    assert 0.05 < (expected >= 0.5).mean() < 0.95
    assert ((result.labels.data == 1) != (expected >= 0.5)).mean() < 0.002
    assert result.uncertainty is None


def test_passes_average_and_their_entropy_is_the_uncertainty(rgb_model: ModelFolder, photo: Volume, sink: Any) -> None:
    network = load_network(rgb_model)
    image = resize(torch.from_numpy(photo.data)[None].float() / 255, 64)
    with torch.inference_mode():
        features = network.features(image)
        masks = network.pass_masks(8, seed=5).head
        quarter = torch.stack([network.classify(features * m[:, None, None]).sigmoid() for m in masks]).mean(dim=0)
        logits = functional.interpolate(torch.logit(quarter), scale_factor=4, mode="bilinear")
        expected = resize(probabilities(logits), (51, 77))
    result = opened(rgb_model.path).segment(photo, replace(EXACT, passes=8, seed=5), sink)
    assert result.uncertainty is not None
    np.testing.assert_allclose(result.probability.data, expected[0, 0], atol=1e-3)
    np.testing.assert_allclose(result.uncertainty.data, entropy(expected)[0], atol=2e-3)


def test_a_temperature_softens_the_probability_and_leaves_the_mask(
    rgb_model: ModelFolder, volume_model: ModelFolder, photo: Volume, volume: Volume, sink: Any
) -> None:
    calibration = Calibration(2.0, dice_slope=1.0, dice_offset=0.0, dice_error=0.07)
    for folder, source in ((rgb_model, photo), (volume_model, volume)):
        plain = opened(folder.path).segment(source, EXACT, sink)
        segmenter = Segmenter(replace(folder, calibration=calibration), load_network(folder), "cpu")
        soft = segmenter.segment(source, EXACT, sink)
        np.testing.assert_array_equal(soft.labels.data, plain.labels.data)
        certain = [float(np.abs(r.probability.data.astype(np.float32) - 0.5).mean()) for r in (plain, soft)]
        assert certain[1] < certain[0] - 0.01
        assert plain.expected_dice is None
        assert 0.2 < (soft.expected_dice or 0.0) < 1.0
        assert soft.expected_dice_error == 0.07
        bare = segmenter.segment(source, replace(EXACT, calibrated=False), sink)
        np.testing.assert_array_equal(bare.probability.data, plain.probability.data)


@pytest.mark.parametrize("method", get_args(Method))
@pytest.mark.parametrize("measure", get_args(Measure))
def test_every_method_and_measure_gives_a_map(
    method: Method, measure: Measure, volume_model: ModelFolder, volume: Volume, sink: Any
) -> None:
    options = replace(EXACT, passes=3, method=method, measure=measure)
    result = opened(volume_model.path).segment(volume, options, sink)
    assert result.uncertainty is not None
    assert result.uncertainty.data.shape == volume.spatial_shape
    assert 0 <= result.uncertainty.data.min() < result.uncertainty.data.max() <= 1
    assert result.provenance["options"]["method"] == method
    tiled = opened(volume_model.path).segment(volume, replace(options, batch=2), sink)
    assert_close(result, tiled)


def test_slow_passes_show_a_first_answer(rgb_model: ModelFolder, photo: Volume, sink: Any) -> None:
    opened(rgb_model.path).segment(photo, replace(EXACT, passes=4, method="flips"), sink)
    names = [name for name, _ in sink.regions]
    assert names == 2 * ["labels", "probability", "uncertainty"]


def test_slices_do_not_depend_on_how_they_are_batched(volume_model: ModelFolder, volume: Volume, sink: Any) -> None:
    segmenter = opened(volume_model.path)
    one = segmenter.segment(volume, replace(EXACT, batch=1), sink)
    assert sink.steps[-1][:2] == (7, 7)
    assert_close(one, segmenter.segment(volume, replace(EXACT, batch=5), sink))
    assert set(np.unique(one.labels.data)) <= {0, 1, 4}
    assert len(np.unique(one.labels.data)) > 1


# --- where it lies


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("flips", [(False, False, False), (True, False, True), (False, True, True)])
def test_any_orientation_of_a_file_gives_the_same_voxels(
    order: tuple[int, ...], flips: tuple[bool, ...], volume_model: ModelFolder, volume: Volume, sink: Any
) -> None:
    segmenter = opened(volume_model.path)
    options = replace(EXACT, passes=2)
    expected = segmenter.segment(volume, options, sink)
    turn = Orientation(order, flips)
    turned = replace(volume, data=turn.apply(volume.data), affine=reoriented_affine(volume, turn))
    result = segmenter.segment(turned, options, sink)
    assert np.array_equal(result.labels.affine, turned.affine)
    for name, array in arrays(result).items():
        assert np.array_equal(turn.undo(array), arrays(expected)[name]), name


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((33, 47), "yx"),
        ((1, 9), "yx"),
        ((4, 20, 31), "tyx"),
        ((1, 20, 31), "zyx"),
        ((5, 1, 31), "zyx"),
        ((3, 4, 17, 19), "tzyx"),
    ],
)
@pytest.mark.parametrize("calibrated", [True, False])
def test_results_have_the_grid_of_their_source(
    shape: tuple[int, ...],
    axes: str,
    calibrated: bool,
    volume_model: ModelFolder,
    sink: Any,
    blobs: Callable[..., Any],
) -> None:
    affine = np.array([[0.7, 0.1, 0, -3], [-0.1, 0.9, 0.2, 8], [0, -0.2, 2.5, 1], [0, 0, 0, 1.0]])
    volume = Volume(blobs(shape), affine, axes, name="scan", calibrated=calibrated)  # type: ignore[arg-type]
    result = opened(volume_model.path).segment(volume, replace(EXACT, passes=2), sink)
    assert result.uncertainty is not None
    assert result.labels.data.shape == result.uncertainty.data.shape == shape
    assert result.probability.spatial_shape == volume.spatial_shape
    for part in (result.labels, result.probability, result.uncertainty):
        assert np.array_equal(part.affine, affine)
        assert part.calibrated is calibrated
    assert result.labels.data.dtype == np.uint8
    assert result.probability.data.dtype == np.float16
    assert np.isfinite(result.probability.data).all()


def test_frames_are_segmented_one_by_one(volume_model: ModelFolder, sink: Any, blobs: Callable[..., Any]) -> None:
    """Neither their neighbours in time nor the batch they share with them may leak into a frame."""
    frames = np.stack([blobs((4, 20, 30), seed) for seed in (1, 2)])
    segmenter = opened(volume_model.path)
    together = segmenter.segment(Volume(frames, axes="tzyx"), EXACT, sink)
    for index, frame in enumerate(frames):
        alone = segmenter.segment(Volume(np.stack([frame, frames[1 - index]]), axes="tzyx"), EXACT, sink)
        np.testing.assert_array_equal(alone.labels.data[0], together.labels.data[index])


def test_contrasts_go_together_and_a_model_of_one_sees_them_one_by_one(
    contrasts_model: ModelFolder, volume_model: ModelFolder, sink: Any, blobs: Callable[..., Any]
) -> None:
    volume = Volume(blobs((2, 4, 20, 30)), np.diag([1.0, 1, 3, 1]), "czyx", ("flair", "t1"), name="study")
    together = opened(contrasts_model.path).segment(volume, EXACT, sink)
    assert together.labels.axes == "zyx"
    swapped = replace(volume, data=volume.data[::-1], channels=("t1", "flair"))
    again = opened(contrasts_model.path).segment(swapped, EXACT, sink)
    assert np.array_equal(together.labels.data, again.labels.data)
    unnamed = replace(volume, channels=("a", "b"))
    each = opened(volume_model.path).segment(unnamed, EXACT, sink)
    assert each.labels.axes == each.probability.axes == "czyx"
    assert each.labels.channels == ("a", "b")


# --- tiles, passes, progress


def test_passes_repeat_by_seed(rgb_model: ModelFolder, photo: Volume, sink: Any) -> None:
    segmenter = opened(rgb_model.path)
    first, again, other = (segmenter.segment(photo, replace(EXACT, passes=4, seed=s), sink) for s in (1, 1, 2))
    for name, array in arrays(first).items():
        assert np.array_equal(array, arrays(again)[name]), name
    assert not np.array_equal(first.probability.data, other.probability.data)


class LocalNetwork(torch.nn.Module):
    """Looks at one quarter-resolution pixel at a time, so tiles must not show at all."""

    def features(self, image: torch.Tensor) -> torch.Tensor:
        return functional.avg_pool2d(image, 4)

    def head(self, features: torch.Tensor) -> torch.Tensor:
        return 4 * features.mean(dim=1, keepdim=True) - 2

    config = MMSNetConfig()

    def encode(self, image: torch.Tensor) -> list[torch.Tensor]:
        return [self.features(image)]

    def decoder_samples(self, maps: list[torch.Tensor], masks: torch.Tensor) -> Iterator[list[torch.Tensor]]:
        yield from ([mask[0, :, None, None] * maps[0]] for mask in masks)

    def head_passes(self, parts: list[torch.Tensor], masks: torch.Tensor) -> torch.Tensor:
        return torch.stack([self.head(parts[0] * mask[:, None, None]) for mask in masks])

    def head_moments(self, parts: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self.head(parts[0])
        return logits, torch.ones_like(logits)

    def pass_masks(self, passes: int, seed: int) -> PassMasks:
        return draw_masks(passes, seed, 3, head=0.5, decoder=0.3)


@pytest.mark.parametrize("passes", [0, 5])
def test_tiles_do_not_show(passes: int, rgb_model: ModelFolder, photo: Volume, sink: Any) -> None:
    folder = replace(rgb_model, input=replace(rgb_model.input, size=256))
    segmenter = Segmenter(folder, LocalNetwork(), "cpu")  # type: ignore[arg-type]
    whole = segmenter.segment(photo, replace(EXACT, passes=passes), sink)
    assert sink.steps == [(1, 1, "segmenting")]
    sink.steps.clear()
    tiled = segmenter.segment(photo, replace(EXACT, passes=passes, tile=96), sink)
    assert [step[:2] for step in sink.steps] == [(i, 16) for i in range(1, 17)]
    assert_close(whole, tiled, 1e-3)


def test_slices_appear_as_they_are_computed(volume_model: ModelFolder, volume: Volume, sink: Any) -> None:
    result = opened(volume_model.path).segment(volume, replace(EXACT, passes=3, batch=3), sink)
    assert [(done, total) for done, total, _ in sink.steps] == [(3, 7), (6, 7), (7, 7)]
    filled = np.zeros(volume.data.shape, int)
    for name, region in sink.regions:
        if name == "labels":
            filled[tuple(slice(*bounds) for bounds in region)] += 1
    assert (filled == 1).all()
    assert result.labels.data is sink.arrays["labels"]
    assert {name for name, _ in sink.regions} == {"labels", "probability", "uncertainty"}


@pytest.mark.parametrize("patience", [0, 1, 3, 6])
def test_cancelling_stops_at_once(
    patience: int, volume_model: ModelFolder, volume: Volume, stopping_sink: Callable[..., Any]
) -> None:
    sink = stopping_sink(Cancelled("The request was cancelled."), patience)
    with pytest.raises(Cancelled):
        opened(volume_model.path).segment(volume, replace(EXACT, batch=2, passes=4), sink)
    assert sink.checks == patience + 1
    assert not sink.steps or sink.steps[-1][0] < 7


def test_cancelling_stops_between_tiles(
    rgb_model: ModelFolder, photo: Volume, stopping_sink: Callable[..., Any]
) -> None:
    folder = replace(rgb_model, input=replace(rgb_model.input, size=256))
    sink = stopping_sink(Cancelled("The request was cancelled."), 5)
    with pytest.raises(Cancelled):
        Segmenter(folder, LocalNetwork(), "cpu").segment(photo, replace(EXACT, tile=96), sink)  # type: ignore[arg-type]
    assert 3 <= sink.steps[-1][0] <= 6


def test_the_result_says_how_to_repeat_it(rgb_model: ModelFolder, photo: Volume, sink: Any) -> None:
    result = opened(rgb_model.path).segment(photo, replace(EXACT, passes=2), sink)
    assert result.provenance["model"]["sha256"] == rgb_model.sha256
    assert result.provenance["precision"] == "float32"
    (region,) = result.regions
    assert region.voxels == np.count_nonzero(result.labels.data)
    assert region.size_unit == "px"
    assert region.mean_uncertainty is not None


# --- too little memory


class Hungry(torch.nn.Module):
    """A network for which the memory suffices up to `limit` pixels at once."""

    def __init__(self, network: torch.nn.Module, limit: int) -> None:
        super().__init__()
        self.network, self.limit = network, limit

    def features(self, image: torch.Tensor) -> torch.Tensor:
        if image.shape[0] * image.shape[2] * image.shape[3] > self.limit:
            raise RuntimeError(OUT_OF_MEMORY)
        return self.network.features(image)  # type: ignore[operator, no-any-return]

    def __getattr__(self, name: str) -> Any:
        return (
            getattr(super().__getattr__("network"), name)
            if name in {"head", "pass_masks"}
            else super().__getattr__(name)
        )


def test_a_smaller_batch_is_tried_and_said_so(volume_model: ModelFolder, volume: Volume, sink: Any) -> None:
    network = load_network(volume_model)
    expected = Segmenter(volume_model, network, "cpu").segment(volume, EXACT, sink)
    hungry = Segmenter(volume_model, Hungry(network, 2 * 64 * 64), "cpu")  # type: ignore[arg-type]
    result = hungry.segment(volume, EXACT, sink)
    assert_close(result, expected)
    assert [note for note in sink.notes if "at once" in note] == [
        "Not enough memory: going on with 3 slices at once.",
        "Not enough memory: going on with one slice at once.",
    ]
    assert result.provenance["notes"] == sink.notes


def test_then_tiles_are_tried(rgb_model: ModelFolder, photo: Volume, sink: Any) -> None:
    folder = replace(rgb_model, input=replace(rgb_model.input, size=256))
    whole = Segmenter(folder, LocalNetwork(), "cpu").segment(photo, EXACT, sink)  # type: ignore[arg-type]
    hungry = Hungry(LocalNetwork(), 100 * 100)
    result = Segmenter(folder, hungry, "cpu").segment(photo, EXACT, sink)  # type: ignore[arg-type]
    assert_close(whole, result, 1e-3)
    assert sink.notes == [f"Not enough memory: going on in tiles of {side} pixels." for side in (128, 64)]


def test_in_the_end_it_says_that_the_memory_does_not_suffice(rgb_model: ModelFolder, photo: Volume, sink: Any) -> None:
    with pytest.raises(ComputeError, match="Close other programs"):
        Segmenter(rgb_model, Hungry(LocalNetwork(), 10), "cpu").segment(photo, EXACT, sink)  # type: ignore[arg-type]


def test_other_failures_are_not_taken_for_it(rgb_model: ModelFolder, photo: Volume, sink: Any) -> None:
    broken = LocalNetwork()
    broken.register_parameter("unused", None)
    broken.features = lambda image: image.reshape(-1, 7)  # type: ignore[assignment, method-assign]
    with pytest.raises(RuntimeError, match="invalid for input"):
        Segmenter(rgb_model, broken, "cpu").segment(photo, EXACT, sink)  # type: ignore[arg-type]


# --- bad and odd input


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", ">i2", "int64", "float16", "float32", "float64", ">f8"])
def test_every_dtype_will_do(dtype: str, volume_model: ModelFolder, volume: Volume, sink: Any) -> None:
    data = (volume.data > 0.5) if dtype == "bool" else volume.data * 100
    result = opened(volume_model.path).segment(replace(volume, data=data.astype(dtype)), EXACT, sink)
    assert np.isfinite(result.probability.data).all()
    assert not sink.notes


@pytest.mark.parametrize("value", [0, 255])
def test_in_a_constant_image_nothing_is_found(value: int, rgb_model: ModelFolder, photo: Volume, sink: Any) -> None:
    flat = replace(photo, data=np.full_like(photo.data, value))
    result = opened(rgb_model.path).segment(flat, replace(EXACT, passes=3), sink)
    assert not result.labels.data.any()
    assert "same value everywhere" in sink.notes[0]
    assert result.regions[0].voxels == 0
    assert sink.steps[-1][:2] == (1, 1)


def test_some_nan_do_not_spread(volume_model: ModelFolder, volume: Volume, sink: Any) -> None:
    data = volume.data.copy()
    data[0, :3] = np.nan
    result = opened(volume_model.path).segment(replace(volume, data=data), EXACT, sink)
    assert np.isfinite(result.probability.data).all()
    assert "NaN" in sink.notes[0]


def test_what_the_model_has_to_guess_is_said(volume_model: ModelFolder, sink: Any, blobs: Callable[..., Any]) -> None:
    picture = Volume(blobs((40, 40)), axes="yx", calibrated=False, name="scan.png")
    opened(volume_model.path).segment(picture, EXACT, sink)
    assert any("no pixel size" in note for note in sink.notes)
    assert any("single slice" in note for note in sink.notes)


def test_an_image_that_the_model_was_not_made_for_is_said(
    rgb_model: ModelFolder, volume_model: ModelFolder, sink: Any, blobs: Callable[..., Any]
) -> None:
    opened(rgb_model.path).segment(Volume(blobs((2, 40, 40)), name="head"), EXACT, sink)
    assert any("made for pictures" in note and "head is a volume" in note for note in sink.notes)
    sink.notes.clear()
    wide = Volume(blobs((2, 40, 40)), np.diag([9.0, 9.0, 9.0, 1.0]), name="whole head")
    opened(volume_model.path).segment(wide, EXACT, sink)
    assert any("whole head spans 360 mm" in note for note in sink.notes)


@pytest.mark.parametrize(
    ("data", "axes", "words"),
    [
        (np.full((4, 5, 6), np.nan), "zyx", "every voxel is NaN"),
        (np.ones((4, 0, 6)), "zyx", "is empty"),
        (np.ones((4, 5), complex), "yx", "complex"),
        (np.random.default_rng(0).random((5, 9, 9)), "cyx", "5 channels for a 3-channel model"),
    ],
)
def test_what_cannot_be_segmented_is_refused_before_anything_is_allocated(
    data: Any, axes: str, words: str, rgb_model: ModelFolder, sink: Any
) -> None:
    with pytest.raises(InputError, match=words):
        opened(rgb_model.path).segment(Volume(data, axes=axes, name="scan"), EXACT, sink)  # type: ignore[arg-type]
    assert not sink.arrays


def test_an_axis_that_is_not_there_is_refused(volume_model: ModelFolder, volume: Volume, sink: Any) -> None:
    with pytest.raises(InputError, match="along axis 5"):
        opened(volume_model.path).segment(volume, replace(EXACT, axis=5), sink)


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no model"):
        Segmenter.open(tmp_path / "none")


@pytest.mark.data
@pytest.mark.parametrize("codes", ["LPS", "PIR", "SAL"])
def test_a_real_file_in_another_orientation_is_labelled_at_the_same_places(
    codes: str, data_folder: Path, tmp_path: Path, volume_model: ModelFolder, sink: Any
) -> None:
    """nibabel turns the file and compares the masks in world space; our own reader is only on trial here."""
    source = min((data_folder / "msd_hippocampus" / "images").glob("*.nii.gz"))
    image = nibabel.load(source)
    change = nibabel.orientations.ornt_transform(
        nibabel.orientations.io_orientation(image.affine), nibabel.orientations.axcodes2ornt(codes)
    )
    nibabel.save(image.as_reoriented(change), tmp_path / "turned.nii.gz")
    canonical = []
    for path in (source, tmp_path / "turned.nii.gz"):
        (volume,) = read(path)
        labels = opened(volume_model.path).segment(volume, EXACT, sink).labels
        mask = nibabel.Nifti1Image(labels.data.transpose(2, 1, 0), nibabel.load(path).affine)
        canonical.append(nibabel.as_closest_canonical(mask))
    first, second = canonical
    np.testing.assert_allclose(first.affine, second.affine, atol=1e-4)
    assert len(np.unique(first.dataobj)) > 1
    assert np.array_equal(np.asarray(first.dataobj), np.asarray(second.dataobj))
