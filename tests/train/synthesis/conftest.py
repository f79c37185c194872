"""Persons made of blobs, whose third contrast follows from the other two, and one finished run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from napari_medfreq.train.synthesis.loop import train

if TYPE_CHECKING:
    from pathlib import Path

    from napari_medfreq.train.loop import Report

CONTRASTS = ("t1", "t2", "flair")
CONFIG = """
kind = "synthesis"
name = "blobs"
title = "Blobs"
ema = 0.9
checkpoint_every = 16
precision = "32-true"
[data]
source = "persons"
strata = [["a_*"], ["b_*"]]
[network]
contrasts = ["t1", "t2", "flair"]
width = 8
blocks = 1
autoencoder_blocks = 1
slices = 3
shortcut = true
skips = true
dropout = 0.1
[[stages]]
size = 36
batch = 4
samples = 480
[[stages]]
size = 40
batch = 2
samples = 16
[variation]
gamma = 0.0
gain = 0.0
[optimiser]
rate = 3e-3
autoencoder_rate = 2e-3
[card]
summary = "Makes blobs."
licence = "CC0"
intended_use = "Tests."
not_for = "Anything else."
"""


def write_person(folder: Path, seed: int, axes: str = "RAS") -> None:
    """Two smooth random contrasts in a ball, and ``flair``, which is one of them folded: no regression can make it."""
    random = np.random.default_rng(seed)
    shape = (40, 44, 12)
    x, y, z = np.ogrid[tuple(slice(-(side // 2), side - side // 2) for side in shape)]
    ball = (x / 17) ** 2 + (y / 19) ** 2 + (z / 5.5) ** 2 < 1
    one, two = (ndimage.gaussian_filter(random.normal(size=shape), (3, 3, 1)) for _ in range(2))
    one, two = (0.2 + 0.8 * (v - v[ball].min()) / np.ptp(v[ball]) for v in (one, two))
    images = {"t1": one, "t2": two, "flair": 0.2 + 1.6 * abs(one - 0.55)}
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    folder.mkdir(parents=True)
    for name, values in images.items():
        stored = (np.where(ball, values, 0) * random.uniform(300, 900)).astype(np.int16)
        image = nib.Nifti1Image(stored, affine)
        turned = image.as_reoriented(nib.io_orientation(np.diag([1.0 if a in "RAS" else -1.0 for a in axes] + [1.0])))
        nib.save(turned, folder / f"{name}.nii.gz")


@pytest.fixture(scope="session")
def persons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with ``persons``: three of each kind, in two orientations."""
    root = tmp_path_factory.mktemp("data")
    for number in range(6):
        kind = "ab"[number % 2]
        write_person(root / "persons" / f"{kind}_{number}", number, "LAS" if kind == "b" else "RAS")
    return root


@dataclass(frozen=True)
class Finished:
    folder: Path
    config: Path
    data: Path
    reports: list[Report]


@pytest.fixture(scope="session")
def finished(persons: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run of two stages, from beginning to end."""
    place = tmp_path_factory.mktemp("runs")
    config = place / "blobs.toml"
    config.write_text(CONFIG, encoding="utf-8")
    reports: list[Report] = []
    folder = train(config, place / "run", persons, accelerator="cpu", report=reports.append)
    return Finished(folder, config, persons, reports)
