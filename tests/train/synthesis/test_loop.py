from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_medfreq.errors import DatasetError
from napari_medfreq.train import runs
from napari_medfreq.train.synthesis.config import read_config
from napari_medfreq.train.synthesis.loop import BASELINES, build_pair, train

from .conftest import CONFIG, Finished

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = (folder / runs.EVENTS).read_text(encoding="utf-8").splitlines()
    return [event for event in map(json.loads, lines) if event["kind"] == kind]


def stop_after(steps: int) -> Callable[[], bool]:
    count = iter(range(1, 10**6))
    return lambda: next(count) >= steps


def short(path: Path, *changes: tuple[str, str]) -> Path:
    text = CONFIG.replace("samples = 480", "samples = 16").replace(
        "samples = 16\n[variation]", "samples = 4\n[variation]"
    )
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return path


def test_both_networks_learn_and_the_run_tells_how(finished: Finished) -> None:
    steps = events(finished.folder, "step")
    assert steps[-1]["difference"] < 0.8 * steps[0]["difference"]
    assert steps[-1]["autoencoder"] < 0.6 * steps[0]["autoencoder"]
    assert steps[-1]["self_representation"] < steps[0]["self_representation"]
    assert {"adversarial", "loss", "images_per_second"} <= set(steps[0])
    start = events(finished.folder, "start")[0]
    assert (start["total"], len(start["persons"]["train"]), len(start["persons"]["test"])) == (496, 4, 2)
    assert {name[0] for name in start["persons"]["test"]} == {"a", "b"}
    assert events(finished.folder, "end")[0]["samples"] == 496
    assert finished.reports[-1].total == 496
    with np.load(finished.folder / BASELINES) as kept:
        assert kept["weights"].shape == (3, 2)


def test_a_run_that_was_stopped_twice_ends_like_one_that_was_not(tmp_path: Path, persons: Path) -> None:
    config = short(tmp_path / "blobs.toml")
    whole = train(config, tmp_path / "whole", persons, accelerator="cpu")
    parted = tmp_path / "parted"
    for steps in (2, 2, 10**6):
        train(config, parted, persons, accelerator="cpu", stop=stop_after(steps))
    one, other = (runs.load_checkpoint(folder, "last") for folder in (whole, parted))
    assert one is not None
    assert other is not None
    assert one["samples"] == other["samples"] == 20
    for part in ("network", "average"):
        for name, tensor in one[part].items():
            assert torch.equal(tensor, other[part][name]), f"{part} {name}"
    assert runs.load_checkpoint(parted, "final") is not None


@pytest.mark.parametrize(
    "changes",
    [
        [('title = "Blobs"', 'title = "Blobs"\narchitecture = "monai-unet"')],
        [("[optimiser]", "[losses]\nadversarial = 0\nself_representation = 0\n[optimiser]")],
        [("[optimiser]", "[losses]\nself_representation = 0\n[optimiser]")],
        [("[optimiser]", "[losses]\nadversarial = 0\n[optimiser]"), ("shortcut = true", "shortcut = false")],
    ],
    ids=["unet", "difference alone", "without self-representation", "without discriminator"],
)
def test_the_baseline_and_the_ablations_train_in_the_same_loop(
    tmp_path: Path, persons: Path, changes: list[tuple[str, str]]
) -> None:
    config = short(tmp_path / "blobs.toml", *changes)
    folder = train(config, tmp_path / "run", persons, accelerator="cpu")
    assert runs.load_checkpoint(folder, "final") is not None
    alone = changes[0][1].count("= 0") == 2 or "unet" in changes[0][1]
    assert (build_pair(read_config(config)).autoencoder is None) == alone


def test_a_folder_with_a_run_of_another_config_is_refused(tmp_path: Path, finished: Finished) -> None:
    other = short(tmp_path / "other.toml")
    with pytest.raises(DatasetError, match="holds a run of another config"):
        train(other, finished.folder, finished.data, accelerator="cpu")


def test_data_that_do_not_fit_are_refused_before_the_run_starts(tmp_path: Path, persons: Path) -> None:
    config = short(tmp_path / "blobs.toml", ('"flair"]', '"flair", "dwi"]'))
    with pytest.raises(DatasetError, match="no file for dwi"):
        train(config, tmp_path / "run", persons, accelerator="cpu")
    assert not (tmp_path / "run").exists()
