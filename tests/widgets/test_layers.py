"""A layer shows every voxel at its place in the world, and gives it back to the grid that it came from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_medfreq.io.models import LabelName
from napari_medfreq.volume import Volume
from napari_medfreq.widgets.layers import layer_tuples, layers_of, oblique_notice, result_tuple
from napari_medfreq.widgets.volumes import volume_of

SHAPE = (5, 6, 7)  # z, y, x
ORIENTATIONS = ("RAS", "LAS", "LPS", "PIR", "SAR", "IPL")
POLYP = (LabelName(1, "polyp", "#e8a33d"),)


def affine_of(code: str, spacing: tuple[float, float, float] = (0.8, 1.2, 2.5)) -> np.ndarray:
    """Affine of a grid whose voxel axes point to the letters of `code` (nibabel's meaning), off the origin."""
    axes = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
    affine = np.eye(4)
    affine[:3, :3] = 0
    for voxel, letter in enumerate(code):
        world, sign = axes[letter]
        affine[world, voxel] = sign * spacing[voxel]
    affine[:3, 3] = (11.0, -23.0, 37.0)
    return affine


def oblique(degrees: float = 15.0) -> np.ndarray:
    angle = np.radians(degrees)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return turn @ affine_of("LPS")


def numbered(affine: np.ndarray, shape: tuple[int, ...] = SHAPE, **changes: object) -> Volume:
    """A volume in which every voxel has a value of its own."""
    return Volume(np.arange(np.prod(shape), dtype=np.float32).reshape(shape), affine, name="numbered", **changes)


def lps_of(volume: Volume, index_zyx: tuple[int, ...]) -> np.ndarray:
    """World position (z, y, x in LPS) of a voxel, from the affine alone."""
    x, y, z, _ = volume.affine @ [*index_zyx[::-1], 1]
    return np.array([z, -y, -x])


@pytest.mark.parametrize("code", ORIENTATIONS)
def test_every_voxel_is_shown_where_it_lies(code: str) -> None:
    volume = numbered(affine_of(code))
    (layer,) = layers_of(volume)
    for index in np.ndindex(volume.data.shape):
        shown = tuple(int(i) for i in np.argwhere(np.asarray(layer.data) == volume.data[index])[0])
        np.testing.assert_allclose(layer.data_to_world(shown), lps_of(volume, index), atol=1e-9)


@pytest.mark.parametrize("code", ORIENTATIONS)
def test_rows_run_to_the_back_and_columns_to_the_left_of_the_patient(code: str) -> None:
    (layer,) = layers_of(numbered(affine_of(code)))
    assert all(scale > 0 for scale in layer.scale)


@pytest.mark.parametrize("affine", [*map(affine_of, ORIENTATIONS), oblique()])
def test_back_from_a_layer_everything_is_as_it_was(affine: np.ndarray) -> None:
    volume = numbered(affine, source=Path("case.nii.gz"), header={"scanner": "x"}, channels=("t1",))
    (layer,) = layers_of(volume)
    back = volume_of(layer)
    np.testing.assert_array_equal(back.data, volume.data)
    np.testing.assert_array_equal(back.affine, volume.affine)
    assert (back.axes, back.channels, back.source, back.header) == ("zyx", ("t1",), volume.source, volume.header)


@pytest.mark.parametrize("affine", [*map(affine_of, ORIENTATIONS), oblique()])
def test_nothing_is_copied_to_be_shown(affine: np.ndarray) -> None:
    volume = numbered(affine)
    assert np.shares_memory(layer_tuples(volume)[0][0], volume.data)


def test_layers_say_their_units_and_axes() -> None:
    (layer,) = layers_of(numbered(affine_of("RAS")))
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    assert layer.axis_labels == ("z", "y", "x")


def test_a_photograph_is_counted_in_pixels_and_shown_in_colour() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (3, 8, 9), dtype=np.uint8)
    volume = Volume(picture, axes="cyx", channels=("red", "green", "blue"), name="photo", calibrated=False)
    (layer,) = layers_of(volume)
    assert layer.rgb
    assert [str(unit) for unit in layer.units] == ["pixel"] * 2
    np.testing.assert_array_equal(layer.data, np.moveaxis(picture, 0, -1))
    back = volume_of(layer)
    np.testing.assert_array_equal(back.data, picture)
    assert back.channels == volume.channels
    assert not back.calibrated


def test_contrasts_become_a_layer_each_and_keep_their_name() -> None:
    data = np.stack([np.full(SHAPE, i, np.float32) for i in range(3)])
    volume = Volume(data, affine_of("PIR"), "czyx", ("t1", "t2", "flair"), name="brain")
    layers = layers_of(volume)
    assert [layer.name for layer in layers] == ["brain t1", "brain t2", "brain flair"]
    assert volume_of(layers[2]).channels == ("flair",)
    np.testing.assert_array_equal(volume_of(layers[2]).data, data[2])


def test_frames_of_a_4d_image_are_a_leading_slider() -> None:
    data = np.random.default_rng(0).random((4, *SHAPE), dtype=np.float32)
    volume = Volume(data, affine_of("LAS"), "tzyx", name="film")
    (layer,) = layers_of(volume)
    assert layer.axis_labels == ("t", "z", "y", "x")
    assert layer.data.shape[0] == 4
    back = volume_of(layer)
    np.testing.assert_array_equal(back.data, data)
    assert back.axes == "tzyx"


def test_labels_have_the_names_and_colours_of_the_model() -> None:
    labels = numbered(affine_of("RAS")).like(np.ones(SHAPE, np.uint8), kind="labels")
    (layer,) = layers_of(labels, POLYP)
    assert isinstance(layer, Labels)
    np.testing.assert_allclose(layer.get_color(1), [0xE8 / 255, 0xA3 / 255, 0x3D / 255, 1], atol=1e-3)
    assert list(layer.features["label"]) == ["background", "polyp"]


def test_an_oblique_grid_is_shown_straight_and_the_user_is_told() -> None:
    volume = numbered(oblique(15))
    (layer,) = layers_of(volume)
    assert np.count_nonzero(layer.rotate - np.eye(3)) == 0
    assert "15 degrees" in oblique_notice(volume)
    assert oblique_notice(numbered(affine_of("LPS"))) is None


def test_a_broken_range_still_has_contrast_limits() -> None:
    for value in (np.nan, 3.0):
        (layer,) = layers_of(Volume(np.full(SHAPE, value, np.float32)))
        low, high = layer.contrast_limits
        assert np.isfinite([low, high]).all()
        assert low < high


def test_a_result_lies_on_its_source_wherever_the_user_moved_it() -> None:
    volume = numbered(affine_of("PIR"))
    (source,) = layers_of(volume)
    source.translate = source.translate + 30
    moved = volume_of(source)
    labels = moved.like((moved.data > 50).astype(np.uint8), kind="labels", name="mask")
    data, keywords, _ = result_tuple(labels, source, POLYP)
    layer = Labels(data, **keywords)
    np.testing.assert_allclose(layer.data_to_world((1, 2, 3)), source.data_to_world((1, 2, 3)))
    np.testing.assert_array_equal(np.asarray(layer.data) > 0, np.asarray(source.data) > 50)
    np.testing.assert_allclose(volume_of(layer).affine, moved.affine)


def test_a_layer_of_another_plugin_is_placed_by_its_transform() -> None:
    layer = Image(np.zeros(SHAPE), scale=(2.5, 1.2, 0.8), translate=(37, 23, -11), units="mm")
    volume = volume_of(layer)
    for index in ((0, 0, 0), (4, 5, 6)):
        np.testing.assert_allclose(lps_of(volume, index), layer.data_to_world(index), atol=1e-9)


def test_a_layer_in_micrometres_becomes_millimetres() -> None:
    volume = volume_of(Image(np.zeros(SHAPE), scale=(500, 200, 200), units="um"))
    np.testing.assert_allclose(volume.spacing, (0.5, 0.2, 0.2))


def test_a_layer_with_a_rotated_affine_is_segmented_where_it_lies() -> None:
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    layer = Image(np.zeros(SHAPE), affine=turn, units="mm")
    volume = volume_of(layer)
    np.testing.assert_allclose(lps_of(volume, (1, 2, 3)), layer.data_to_world((1, 2, 3)), atol=1e-9)
    data, keywords, _ = result_tuple(volume.like(np.zeros(SHAPE, np.uint8), kind="labels"), layer)
    result = Labels(data, **keywords)
    np.testing.assert_allclose(result.data_to_world((1, 2, 3)), layer.data_to_world((1, 2, 3)))


def test_labels_drawn_by_hand_get_the_grid_of_the_image_that_they_lie_on() -> None:
    volume = numbered(oblique())
    (image,) = layers_of(volume)
    drawn = Labels((np.asarray(image.data) > 100).astype(np.uint8))
    back = volume_of(drawn, image)
    np.testing.assert_array_equal(back.affine, volume.affine)
    np.testing.assert_array_equal(back.data > 0, volume.data > 100)


def test_multiscale_and_lazy_layers_are_read_whole() -> None:
    import dask.array

    data = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    pyramid = Image([data, data[::2, ::2]], multiscale=True)
    np.testing.assert_array_equal(volume_of(pyramid).data, data)
    lazy = Image(dask.array.from_array(data, chunks=16))
    np.testing.assert_array_equal(volume_of(lazy).data, data)


def test_layers_that_are_no_image_are_refused_by_name() -> None:
    from napari.layers import Points

    from napari_medfreq.errors import InputError

    with pytest.raises(InputError, match="'landmarks' is a points layer"):
        volume_of(Points(np.zeros((1, 3)), name="landmarks"))


@pytest.mark.parametrize("spacing", [6.000000000815526, 0.44921874, 1 / 3, 0.9])
@pytest.mark.parametrize("start", [-31.127138137817383, 0.1, 1234.567])
def test_the_slider_reaches_every_slice(spacing: float, start: float) -> None:
    affine = np.diag([0.7, 0.7, spacing, 1.0])
    affine[2, 3] = start
    for slices in (2, 22, 155, 300):
        viewer = ViewerModel()
        viewer.add_layer(layers_of(Volume(np.zeros((slices, 3, 3), np.uint8), affine))[0])
        assert viewer.dims.nsteps[0] == slices
