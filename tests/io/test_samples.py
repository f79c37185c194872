"""The samples are what they are said to be."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_medfreq.errors import FileError
from napari_medfreq.io import samples
from napari_medfreq.io.samples import TISSUES, Tissue, brain_phantom, hippocampus, retina, spin_echo

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def brain() -> tuple:
    return brain_phantom(spacing=3.0)


def contrast(brain: tuple, channel: str) -> np.ndarray:
    image, _ = brain
    return image.data[image.channels.index(channel)]


def test_the_retina_is_a_colour_photograph_without_a_size() -> None:
    picture = retina()
    assert picture.data.shape == (3, 1411, 1411)
    assert picture.channels == ("red", "green", "blue")
    assert not picture.calibrated


def test_the_spin_echo_follows_its_equation() -> None:
    assert spin_echo(Tissue(1000, 100, 0.8), 1000, 100) == pytest.approx(0.8 * (1 - np.exp(-1)) * np.exp(-1))


def test_the_inversion_time_of_flair_nulls_the_liquor() -> None:
    time = samples.nulling_time(TISSUES["csf"], 9000)
    assert samples.inversion_recovery(TISSUES["csf"], 9000, 120, time) == pytest.approx(0, abs=1e-9)
    assert samples.inversion_recovery(TISSUES["grey"], 9000, 120, time) > 0.1


def test_the_contrast_agent_shortens_both_relaxation_times() -> None:
    plain, enhanced = TISSUES["lesion"], samples.with_contrast_agent(TISSUES["lesion"], 0.5)
    assert enhanced.t1 < plain.t1 / 2
    assert enhanced.t2 < plain.t2


def test_the_lesion_lights_up_where_a_radiologist_expects_it(brain: tuple) -> None:
    lesion = brain[1].data == 1
    assert 4 < lesion.sum() * 0.027 < 15  # ml
    t1, t1c, t2, flair = (contrast(brain, name) for name in ("t1", "t1c", "t2", "flair"))
    assert t1c[lesion].mean() > 1.5 * t1[lesion].mean()
    np.testing.assert_allclose(t1c[~lesion].mean(), t1[~lesion].mean(), rtol=0.02)
    liquor = t2 > np.percentile(t2, 99.5)
    assert flair[lesion].mean() > 3 * flair[liquor & ~lesion].mean()


def test_air_has_the_mean_of_rayleigh_noise(brain: tuple) -> None:
    corner = contrast(brain, "t1")[:3, :3, :3]
    assert corner.mean() == pytest.approx(15 * np.sqrt(np.pi / 2), rel=0.25)


def test_the_same_seed_gives_the_same_brain_and_another_does_not(brain: tuple) -> None:
    np.testing.assert_array_equal(brain_phantom(spacing=3.0)[0].data, brain[0].data)
    assert not np.array_equal(brain_phantom(spacing=3.0, seed=1)[0].data, brain[0].data)


def archive(folder: Path) -> Path:
    path = folder / "Task04_Hippocampus.tar"
    with tarfile.open(path, "w") as tar:
        for part in ("imagesTr", "labelsTr"):
            entry = tarfile.TarInfo(f"Task04_Hippocampus/{part}/hippocampus_001.nii.gz")
            content = part.encode()
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def test_a_download_that_is_there_is_unpacked_after_its_digest_was_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pooch

    monkeypatch.setattr(samples, "HIPPOCAMPUS_HASH", "sha256:" + pooch.file_hash(str(archive(tmp_path))))
    image, labels = hippocampus(cache=tmp_path)
    assert (image.read_text(), labels.read_text()) == ("imagesTr", "labelsTr")
    with pytest.raises(FileError, match="no case 'nobody'"):
        hippocampus("nobody", cache=tmp_path)


def test_a_file_with_another_digest_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing listens there: the wrong file is to be fetched again, and that fails as without a network.
    monkeypatch.setattr(samples, "HIPPOCAMPUS_URL", "http://127.0.0.1:9/Task04_Hippocampus.tar")
    archive(tmp_path)
    with pytest.raises(FileError, match="could not be downloaded"):
        hippocampus(cache=tmp_path)
    assert not (tmp_path / "hippocampus").exists()
