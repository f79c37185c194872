"""Pictures of discs that a network learns in seconds, a config for them, and one finished run."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from napari_medfreq.train.loop import Report, train

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = """
name = "discs"
title = "Discs"
task = "a bright disc"
seed = 3
ema = {ema}
checkpoint_every = {every}
precision = "32-true"
architecture = "{architecture}"

[input]
channels = ["red", "green", "blue"]
size = 48
modalities = ["drawing"]

[[labels]]
value = 1
name = "disc"
colour = "#e8a33d"

[network]
backbone = "b0"
width = 16
adapter_ratio = 8
prompt = "contourlet"
levels = [2]
scales = 1
frequencies = 2
head_dropout = 0.1
drop_path = 0.1

[optimiser]
rate = 3e-3

[augment]
rotate = 10.0
scale = 0.0
shear = 0.0
gamma = 0.0
blur = 0.0

[data]
source = "index.csv"

{stages}

[card]
summary = "Finds discs."
licence = "CC0"
intended_use = "Tests."
not_for = "Patients."
data = ["drawn by the tests"]
"""


def config_text(
    stages: tuple[tuple[int, int], ...] = ((32, 12), (48, 8)),
    *,
    architecture: str = "mmsnet",
    every: int = 8,
    ema: float = 0.9,
) -> str:
    """Return a config of stages with (size, samples), in batches of four."""
    tables = "\n".join(f"[[stages]]\nsize = {size}\nbatch = 4\nsamples = {samples}\n" for size, samples in stages)
    return CONFIG.format(architecture=architecture, every=every, ema=ema, stages=tables)


@pytest.fixture(scope="session", name="config_text")
def config_text_fixture() -> object:
    return config_text


def draw(folder: Path, count: int) -> Path:
    """Draw `count` pictures of a bright disc, and one without; return their index file."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:40, :52]
    entries = []
    for number in range(count + 1):
        centre, radius = rng.uniform((12, 14), (28, 38)), rng.uniform(6, 10)
        mask = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < radius**2
        if number == count:
            mask[:] = False
        image = rng.normal(80, 12, (40, 52, 3)) + 100 * mask[..., None]
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"image{number}.png")
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"mask{number}.png")
        entries.append(("discs", number, f"image{number}.png", f"mask{number}.png", f"discs:{number}", "drawing", ""))
    index = folder / "index.csv"
    with index.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("dataset", "id", "image", "mask", "group", "modality", "published_split"))
        writer.writerows(entries)
    return index


@pytest.fixture(scope="session")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``index.csv``, 36 pictures of 40 x 52 pixels with a disc and one without."""
    folder = tmp_path_factory.mktemp("drawings")
    draw(folder, 36)
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep packed samples out of the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("platformdirs.user_cache_path", lambda *_, **__: folder)
        yield folder


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums in one order, so that equal runs are equal to the bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@dataclass
class FinishedRun:
    folder: Path
    config: Path
    data: Path
    reports: list[Report]


@pytest.fixture(scope="session")
def finished(drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """A run of two stages that has learned what a disc is."""
    folder = tmp_path_factory.mktemp("finished")
    config = folder / "discs.toml"
    config.write_text(config_text(((32, 96), (48, 48)), every=48, ema=0.8))
    reports: list[Report] = []
    torch.set_num_threads(1)
    train(config, folder / "run", drawings, accelerator="cpu", report=reports.append)
    return FinishedRun(folder / "run", config, drawings, reports)
