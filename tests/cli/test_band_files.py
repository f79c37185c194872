from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_medfreq.cli.band_files import Wishes, run_case
from napari_medfreq.cli.batch import Case
from napari_medfreq.engine.frequencies.options import FrequencyOptions
from napari_medfreq.errors import FileError, InputError
from napari_medfreq.io.coefficients import read_coefficients
from napari_medfreq.io.files import read, write
from napari_medfreq.jobs.inline import InlineExecutor
from napari_medfreq.transforms.bands import BandKey
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from pathlib import Path

    from napari_medfreq.cli.band_files import Found

OPTIONS = FrequencyOptions(levels=(0, 2))


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    affine = np.diag([-0.5, 0.75, 2.0, 1.0])
    data = np.random.default_rng(0).integers(0, 900, (4, 40, 48)).astype(np.int16)
    write(Volume(data, affine), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


def run(source: Path, wishes: Wishes, suffix: str | None = None, *, overwrite: bool = False) -> Found:
    case = Case(source, source.parent / "out", source.name.split(".")[0], suffix=suffix)
    (found,) = run_case(case, wishes, InlineExecutor(), lambda _event: None, overwrite=overwrite)
    return found


def test_gains_are_given_in_order_of_weight() -> None:
    from napari_medfreq.transforms.contourlet import Contourlet

    layout = Contourlet((0, 2)).layout()
    wishes = Wishes(OPTIONS, preset="Low-pass only", boost=("2:1=2", "1=3"), mute=("1",))
    gains = {str(key): gain for key, gain in wishes.gains(layout).items()}
    assert gains == {"1:0": 0.0, "2:0": 0.0, "2:1": 2.0, "2:2": 0.0, "2:3": 0.0}
    solo = Wishes(OPTIONS, solo=("2:1", "0")).gains(layout)
    assert sorted(map(str, solo)) == ["1:0", "2:0", "2:2", "2:3"]
    assert not Wishes(OPTIONS).changes


def test_a_changed_volume_has_the_format_and_the_place_of_its_source(scan: Path) -> None:
    found = run(scan, Wishes(OPTIONS, mute=("2",), images=False))
    assert found.outputs["changed"].name == "scan_changed.nii.gz"
    (changed,), (source,) = read(found.outputs["changed"]), read(scan)
    assert (changed.data.shape, changed.data.dtype) == (source.data.shape, np.float32)
    np.testing.assert_allclose(changed.affine, source.affine)
    assert changed.data.std() < 0.9 * source.data.std()
    assert changed.data.mean() == pytest.approx(source.data.mean(), rel=0.01)
    assert [path.name for path in found.outputs["changed"].parent.iterdir()] == ["scan_changed.nii.gz"]


def test_images_of_components_add_up(scan: Path) -> None:
    found = run(scan, Wishes(OPTIONS, form="component"), ".nrrd")
    assert len(found.bands) == 6
    total = sum(read(path)[0].data for path in found.bands.values())
    np.testing.assert_allclose(total, read(scan)[0].data, atol=1e-2)


def test_one_plane_and_the_archive(scan: Path) -> None:
    found = run(scan, Wishes(OPTIONS, slice=2, only=("1",), archive=True, table=True))
    assert {path.name for path in found.bands.values()} == {"scan_band-1-0.nii.gz"}
    parts, about = read_coefficients(found.outputs["coefficients"])
    assert len(parts) == 6
    assert parts[BandKey(1, 0)].shape == (20, 24)
    assert about["options"]["levels"] == [0, 2]
    assert about["shape"] == [40, 48]
    lines = found.outputs["table"].read_text(encoding="utf-8").splitlines()
    assert len(lines) == 7
    assert "cycles_per_mm_from" in lines[0]


def test_a_picture_stays_one_unless_its_values_do_not_fit(tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(0, 255, (3, 40, 48), dtype=np.uint8)
    source = tmp_path / "photo.png"
    write(Volume(data, axes="cyx", calibrated=False), source)
    smooth = run(source, Wishes(OPTIONS, mute=("2",), images=False))
    (changed,) = read(smooth.outputs["changed"])
    assert smooth.outputs["changed"].suffix == ".png"
    assert changed.data.dtype == np.uint8
    edges = run(source, Wishes(OPTIONS, mute=("0",), only=("0",)), overwrite=True)
    assert edges.outputs["changed"].suffix == ".tif"
    assert "negative" in edges.notes[0]
    assert read(edges.outputs["changed"])[0].data.min() < 0
    assert next(iter(edges.bands.values())).suffix == ".tif"


def test_nothing_is_replaced_unasked(scan: Path) -> None:
    wishes = Wishes(OPTIONS, table=True, only=("0",))
    run(scan, wishes)
    for other in (Wishes(OPTIONS, table=True, images=False), Wishes(OPTIONS)):
        with pytest.raises(FileError, match="exists already"):
            run(scan, other)
    run(scan, wishes, overwrite=True)


def test_a_plane_that_is_not_there(scan: Path) -> None:
    with pytest.raises(InputError, match="no plane 9"):
        run(scan, Wishes(OPTIONS, slice=9))


def test_json_says_which_file_holds_which_band(scan: Path) -> None:
    answer = run(scan, Wishes(OPTIONS, only=("2:1",), boost=("2:1=2",))).to_json()
    rows = {row["band"]: row for row in answer["bands"]}
    assert rows["2:1"]["image"].endswith("scan_band-2-1.nii.gz")
    assert rows["2:1"]["gain"] == 2.0
    assert rows["2:0"]["image"] is None
