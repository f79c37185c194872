from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_medfreq.errors import DatasetError
from napari_medfreq.train.synthesis.config import is_synthesis, read_config

from .conftest import CONFIG

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["aegan-brain", "unet-brain-baseline"])
def test_the_shipped_configs_are_valid(repository: Path, name: str) -> None:
    path = repository / "configs" / f"{name}.toml"
    assert is_synthesis(path)
    config = read_config(path)
    assert config.sizes().contrasts == ("t1", "t1c", "t2", "flair")
    assert config.name == name


def test_the_baseline_sees_what_the_network_sees(repository: Path) -> None:
    one, other = (read_config(repository / "configs" / f"{n}.toml") for n in ("aegan-brain", "unet-brain-baseline"))
    assert (one.data, one.stages, one.seed, one.variation) == (other.data, other.stages, other.seed, other.variation)
    assert one.sizes().slices == other.sizes().slices


def test_a_config_for_segmentation_is_told_apart(repository: Path, tmp_path: Path) -> None:
    assert not is_synthesis(repository / "configs" / "mmsnet-mix-b0.toml")
    assert not is_synthesis(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("size = 36", "size = 33", "multiple of 4"),
        ("width = 8", "width = 1", "width must lie"),
        ("width = 8", "depth = 8", "no depth"),
        ("ema = 0.9", "ema = 1.0", "ema must lie"),
        ("[optimiser]", "[losses]\nreconstruction = 0\n[optimiser]", "reconstruction above 0"),
        ("[optimiser]", "[losses]\nstyle = 1\n[optimiser]", r"\[losses\] has entries that are not known: style"),
        ("strata = [", "held_out = -1\nstrata = [", "held_out"),
        ('kind = "synthesis"', 'kind = "segmentation"', "kind of the config must be one of synthesis"),
    ],
)
def test_what_makes_no_run_is_refused_by_name(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in CONFIG
    path = tmp_path / "blobs.toml"
    path.write_text(CONFIG.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DatasetError, match=said):
        read_config(path)
