from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from napari_medfreq.errors import DatasetError
from napari_medfreq.train.config import read_config
from napari_medfreq.train.networks import UNetBaseline, build_network
from napari_medfreq.train.synthesis.config import is_synthesis

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def text(config_text: Callable[..., str]) -> str:
    return config_text()


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "discs.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_config_is_read_whole(write: Callable[[str], Path], text: str) -> None:
    config = read_config(write(text))
    assert config.name == "discs"
    assert [(stage.size, stage.batch, stage.samples) for stage in config.stages] == [(32, 4, 12), (48, 4, 8)]
    assert config.samples == 20
    assert (config.in_channels, config.classes) == (3, 1)
    assert config.network["levels"] == [2]
    assert config.input.modalities == ("drawing",)
    assert config.augment.rotate == 10.0
    assert config.augment.flip_horizontal
    assert isinstance(config.optimiser.weight_decay, float)
    assert config.card.data == ("drawn by the tests",)


def test_several_labels_and_slices_change_the_network(write: Callable[[str], Path], text: str) -> None:
    labels = '[[labels]]\nvalue = 2\nname = "ring"\ncolour = "#000000"\n\n[network]'
    text = text.replace("[network]", labels).replace("size = 48\nmodalities", "slices = 3\nsize = 48\nmodalities")
    config = read_config(write(text))
    assert (config.in_channels, config.classes) == (9, 3)
    network = build_network(config)
    assert network.config.in_channels == 9  # type: ignore[union-attr]
    assert network.config.classes == 3  # type: ignore[union-attr]
    assert isinstance(build_network(replace(config, architecture="monai-unet")), UNetBaseline)


def test_the_configs_of_the_shipped_models_can_be_read(repository: Path) -> None:
    paths = [path for path in sorted((repository / "configs").glob("*.toml")) if not is_synthesis(path)]
    assert paths
    for path in paths:
        build_network(read_config(path))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "discs"', "", r"the config lacks name\."),
        ("seed = 3", "sead = 3", r"the config has entries that are not known: sead\."),
        ("seed = 3", "seed = 3.5", "seed of the config must be a whole number, not 3.5"),
        ("seed = 3", "seed = true", "seed of the config must be a whole number, not True"),
        ("rate = 3e-3", 'rate = "fast"', r"rate of \[optimiser\] must be a number, not 'fast'"),
        ("rate = 3e-3", 'matrices = "muun"', "must be one of adamw, muon, not 'muun'"),
        ('architecture = "mmsnet"', 'architecture = "unet"', "must be one of mmsnet, monai-unet, not 'unet'"),
        ('precision = "32-true"', 'precision = "8"', "precision of the config must be one of"),
        ("ema = 0.9", "ema = 1.0", r"ema must lie in \[0, 1\)"),
        ("checkpoint_every = 8", "checkpoint_every = 0", "checkpoint_every be above 0"),
        ('source = "index.csv"', "", r"\[data\] lacks source"),
        ('source = "index.csv"', "source = 3", r"source of \[data\] must be a text"),
        ("size = 32\nbatch", "size = 16\nbatch", "a stage needs at least 32 pixels"),
        ("batch = 4\nsamples = 12", "batch = 0\nsamples = 12", "a batch of 1"),
        ("value = 1", "value = 300", "its value must lie between 1 and 255"),
        ('colour = "#e8a33d"', 'colour = "red"', "its colour must read like"),
        ('channels = ["red", "green", "blue"]', "channels = []", "input channels"),
        ("[optimiser]", "optimiser = 3\n[other]", "the config has entries|must be a table|not a TOML"),
        ("seed = 3", "seed = ", "this is not a TOML file"),
    ],
)
def test_mistakes_are_named_with_their_place(
    write: Callable[[str], Path], text: str, old: str, new: str, message: str
) -> None:
    assert old in text
    path = write(text.replace(old, new, 1))
    with pytest.raises(DatasetError, match=message) as caught:
        read_config(path)
    assert str(path) in str(caught.value)


def test_label_values_that_the_network_does_not_give_are_refused(write: Callable[[str], Path], text: str) -> None:
    other = '[[labels]]\nvalue = 4\nname = "ring"\ncolour = "#000000"\n\n[network]'
    with pytest.raises(DatasetError, match=r"must be 1, 2, 3 ... in this order, not \[1, 4\]"):
        read_config(write(text.replace("[network]", other)))


def test_a_table_that_is_none_is_refused(write: Callable[[str], Path], text: str) -> None:
    head, tail = text.split("[card]")
    with pytest.raises(DatasetError, match=r"\[card\] must be a table, not 'none'"):
        read_config(write('card = "none"\n' + head))
    assert tail


def test_a_network_that_does_not_exist_is_refused(write: Callable[[str], Path], text: str) -> None:
    config = read_config(write(text.replace('backbone = "b0"', 'backbone = "b7"')))
    with pytest.raises(DatasetError, match=r"\[network\] of the training config 'discs': encoder 'b7' is not one of"):
        build_network(config)


def test_a_missing_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"absent\.toml: the training config cannot be read"):
        read_config(tmp_path / "absent.toml")
