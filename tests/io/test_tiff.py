"""TIFF, checked with tifffile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_medfreq.errors import FileError
from napari_medfreq.io import files
from napari_medfreq.volume import Volume, display_orientation

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 60000, (4, 6, 9)).astype(np.uint16)


def test_a_stack_of_pages_is_a_volume_in_pixels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, photometric="minisblack")
    (volume,) = files.read(tmp_path / "a.tif")
    assert (volume.axes, volume.calibrated, volume.data.dtype) == ("zyx", False, np.uint16)
    np.testing.assert_array_equal(volume.data, STACK)


def test_imagej_states_the_size_of_a_voxel(tmp_path: Path) -> None:
    metadata = {"axes": "ZYX", "spacing": 3.0, "unit": "um"}
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, resolution=(2.0, 4.0), metadata=metadata)
    (volume,) = files.read(tmp_path / "a.tif")
    assert volume.calibrated
    assert volume.spacing == pytest.approx((0.003, 0.00025, 0.0005))
    assert display_orientation(volume).flips == (False, False, False)  # shown as it is stored


@pytest.mark.parametrize(("axes", "expected"), [("ZYX", "zyx"), ("TYX", "tyx"), ("CYX", "cyx")])
def test_ome_states_axes_and_size(tmp_path: Path, axes: str, expected: str) -> None:
    metadata = {"axes": axes, "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "mm", "PhysicalSizeY": 250.0}
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, ome=True, photometric="minisblack", metadata=metadata)
    (volume,) = files.read(tmp_path / "a.ome.tif")
    assert (volume.axes, volume.calibrated) == (expected, True)
    assert volume.spacing[-2:] == pytest.approx((0.25, 0.5))  # micrometres unless said otherwise
    np.testing.assert_array_equal(volume.data, STACK)


def test_print_resolution_is_no_size(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK[0], resolution=(300, 300), resolutionunit="INCH")
    assert not files.read(tmp_path / "a.tif")[0].calibrated


@pytest.mark.parametrize("samples", [3, 4])
def test_colours_are_channels_without_transparency(tmp_path: Path, samples: int) -> None:
    data = RNG.integers(0, 255, (6, 9, samples)).astype(np.uint8)
    extra = {"extrasamples": ["unassalpha"]} if samples == 4 else {}
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="rgb", **extra)
    (volume,) = files.read(tmp_path / "a.tif")
    assert (volume.axes, volume.channels) == ("cyx", ("red", "green", "blue"))
    np.testing.assert_array_equal(volume.data, np.moveaxis(data[..., :3], -1, 0))


def test_palettes_and_negatives_are_shown_as_meant(tmp_path: Path) -> None:
    colormap = np.zeros((3, 256), np.uint16)
    colormap[0, 1], colormap[1, 2] = 65535, 65535
    index = np.array([[0, 1], [2, 0]], np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", index, photometric="palette", colormap=colormap)
    (volume,) = files.read(tmp_path / "a.tif")
    assert (volume.axes, volume.data[:, 0, 1].tolist(), volume.data[:, 1, 0].tolist()) == (
        "cyx",
        [255, 0, 0],
        [0, 255, 0],
    )
    tifffile.imwrite(tmp_path / "b.tif", index, photometric="miniswhite")
    np.testing.assert_array_equal(files.read(tmp_path / "b.tif")[0].data, 255 - index)


@pytest.mark.parametrize("kind", ["labels", "probability", "image"])
@pytest.mark.parametrize("axes", ["yx", "zyx", "tyx", "cyx"])
def test_what_is_written_comes_back(tmp_path: Path, kind: str, axes: str) -> None:
    data = STACK if kind == "labels" else (STACK / 65535).astype(np.float32)
    volume = Volume(data[0] if axes == "yx" else data, np.diag([-0.5, -0.25, 2, 1]), axes, kind=kind)
    files.write(volume, tmp_path / "a.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), volume.data)
    (again,) = files.read(tmp_path / "a.tif")
    assert (again.axes, again.kind, again.data.dtype) == (axes, kind, data.dtype)
    assert again.spacing == pytest.approx(volume.spacing)


def test_frames_of_channels_are_refused_with_a_remedy(tmp_path: Path) -> None:
    data = np.zeros((2, 3, 6, 9), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", data, imagej=True, metadata={"axes": "TCYX"})
    with pytest.raises(FileError, match=r"a\.tif has the axes TCYX"):
        files.read(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("keep", [0.1, 0.6])
def test_a_truncated_file_is_refused(tmp_path: Path, compression: str | None, keep: float) -> None:
    data = RNG.integers(0, 60000, (100, 100)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", data, compression=compression)
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(FileError, match=r"a\.tif.*again"):
        files.read(tmp_path / "a.tif")


def test_a_header_that_announces_too_much_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((10, 10), np.float64))
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
        tags = file.pages[0].tags
        tags["ImageWidth"].overwrite(70000)
        tags["ImageLength"].overwrite(70000)  # 39 GB
    with pytest.raises(FileError, match=r"a\.tif is cut short or its header is damaged.*39.2 GB"):
        files.read(tmp_path / "a.tif")


def test_complex_numbers_are_refused_with_a_remedy(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 5), np.complex64))
    with pytest.raises(FileError, match=r"a\.tif holds complex numbers.*magnitude"):
        files.read(tmp_path / "a.tif")
