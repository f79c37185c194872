"""Which reader gets which file, and what is said about files that nobody can read."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from napari_medfreq.errors import FileError, MedfreqError
from napari_medfreq.io import files
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def png(tmp_path: Path) -> Path:
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.dcm", "a.png", "a.jpg", "a.tif", "a.bmp"])
def test_an_empty_file_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(FileError, match=rf"{name} is empty.*again"):
        files.read(tmp_path / name)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.dcm", "a.png", "a.jpg", "a.tif", "a.bmp"])
@pytest.mark.parametrize("content", [b"x", b"hello\n" * 1000, b"\0" * 5000], ids=["byte", "text", "zeros"])
def test_nonsense_is_refused_whatever_its_name(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileError, match=name):
        files.read(tmp_path / name)


@pytest.mark.parametrize("name", ["scan.nii.gz", "scan.nii", "scan.nrrd", "scan.dcm"])
def test_a_png_under_a_false_name_is_unmasked(png: Path, name: str) -> None:
    renamed = png.rename(png.with_name(name))
    with pytest.raises(FileError, match=rf"{name} is named as .* but its content is PNG"):
        files.read(renamed)


def test_a_jpeg_named_png_is_opened_all_the_same(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / "a.png", format="JPEG")
    assert files.read(tmp_path / "a.png")[0].data.shape == (4, 5)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"gone\.nii does not exist"):
        files.read(tmp_path / "gone.nii")


def test_an_unknown_kind_lists_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text("what is this")
    with pytest.raises(FileError, match=r"a\.xyz is of a kind that is not read here.*\.nii\.gz"):
        files.read(tmp_path / "a.xyz")
    with pytest.raises(FileError, match=r"a\.xyz: image can be saved as .*\.nrrd"):
        files.write(Volume(np.zeros((2, 2, 2))), tmp_path / "a.xyz")


@pytest.mark.parametrize(
    ("name", "suffix"), [("A.NII.GZ", ".nii.gz"), ("a.b.nii", ".nii"), ("x.seg.nrrd", ".nrrd"), ("a.gz", ".gz")]
)
def test_the_longest_known_ending_counts(name: str, suffix: str) -> None:
    assert files.suffix_of(Path("folder.nii") / name) == suffix


def test_upper_case_endings_are_read(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.ones((2, 3, 4), np.uint8), np.eye(4)), tmp_path / "a.nii.gz")
    renamed = (tmp_path / "a.nii.gz").rename(tmp_path / "B.NII.GZ")
    (volume,) = files.read(renamed)
    assert (volume.name, volume.source, volume.data.shape) == ("B", renamed, (4, 3, 2))


def test_only_what_can_be_read_is_claimed(tmp_path: Path, png: Path, write_slice: Callable[..., Path]) -> None:
    write_slice("study/IM0001", np.zeros((4, 4), np.uint16))  # scanners give no ending
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    assert files.can_read(png)
    assert files.can_read(str(tmp_path / "study"))
    assert files.can_read(tmp_path / "study" / "IM0001")
    assert not files.can_read(tmp_path / "notes.txt")
    assert not files.can_read(tmp_path / "empty")
    assert not files.can_read(tmp_path / "gone.nii")
    assert files.read(tmp_path / "study" / "IM0001")[0].data.shape == (4, 4)


def test_a_folder_without_images_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(FileError, match=r"holds no DICOM image"):
        files.read(tmp_path)


def write_sample(path: Path) -> None:
    """A small valid file of the kind that the name says."""
    data = np.random.default_rng(0).integers(0, 250, (5, 6, 7)).astype(np.uint8)
    if path.suffix in (".jpg", ".bmp"):
        Image.fromarray(data[0]).save(path)
    else:
        flat = path.suffix == ".png"
        files.write(Volume(data[0] if flat else data, axes="yx" if flat else "zyx"), path)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.tif", "a.png", "a.jpg", "a.bmp", "a.dcm"])
def test_whatever_the_damage_it_is_reported_and_never_a_crash(
    tmp_path: Path, name: str, write_slice: Callable[..., Path]
) -> None:
    path = write_slice(name, np.zeros((4, 6), np.uint16)) if name.endswith("dcm") else tmp_path / name
    if not path.exists():
        write_sample(path)
    whole = path.read_bytes()
    damage = random.Random(7)
    messages = []
    for _ in range(80):
        content = bytearray(whole)
        for _ in range(damage.choice((1, 1, 2, 4))):
            content[damage.randrange(min(len(content), 1500))] = damage.choice((0, 255, damage.randrange(256)))
        path.write_bytes(content[: damage.randrange(len(content))] if damage.random() < 0.2 else content)
        try:
            files.read(path)
        except MedfreqError as error:
            messages.append(str(error))
    assert messages
    assert all(path.name in message for message in messages)


def test_the_viewer_asks_without_loading_any_library() -> None:
    code = (
        "import sys; from napari_medfreq.io import files; files.can_read('a.nii.gz');"
        "print(sorted({'nibabel', 'SimpleITK', 'pydicom', 'highdicom', 'tifffile', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
