"""A small model with random weights, written and opened as a shipped one is, and a sink that remembers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter

from napari_medfreq.io.models import Card, InputSpec, LabelName, ModelFolder, write_model
from napari_medfreq.nn.mmsnet import MMSNet, MMSNetConfig
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass
class RecordingSink:
    """Holds what the engine reports; `check` raises what `stop` names once it was called `patience` times."""

    stop: Exception | None = None
    patience: int = 0
    arrays: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    steps: list[tuple[int, int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    regions: list[tuple[str, tuple[tuple[int, int], ...]]] = field(default_factory=list)
    checks: int = 0

    def progress(self, done: int, total: int, text: str) -> None:
        self.steps.append((done, total, text))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def check(self) -> None:
        self.checks += 1
        if self.stop is not None and self.checks > self.patience:
            raise self.stop

    def allocate(self, name: str, shape: tuple[int, ...], dtype: str) -> npt.NDArray[Any]:
        self.arrays[name] = np.zeros(shape, dtype)
        return self.arrays[name]

    def partial(self, name: str, region: tuple[tuple[int, int], ...]) -> None:
        self.regions.append((name, region))


@pytest.fixture
def sink() -> RecordingSink:
    return RecordingSink()


@pytest.fixture
def stopping_sink() -> Callable[..., RecordingSink]:
    """Return what makes a sink whose `check` raises `stop` once it was called `patience` times."""
    return lambda stop, patience=0: RecordingSink(stop, patience)


def blobs(shape: tuple[int, ...], seed: int = 0) -> npt.NDArray[np.float32]:
    """Return smooth random structure in [0, 1]."""
    noise = np.random.default_rng(seed).normal(size=shape)
    smooth = gaussian_filter(noise, [0.0] * (len(shape) - 2) + [4.0, 4.0])
    return ((smooth - smooth.min()) / np.ptp(smooth)).astype(np.float32)


@pytest.fixture(scope="session", name="blobs")
def blobs_fixture() -> Callable[..., npt.NDArray[np.float32]]:
    """Return what makes smooth random images in [0, 1] of a given shape."""
    return blobs


def make_model(folder: Path, spec: InputSpec, labels: tuple[LabelName, ...]) -> ModelFolder:
    """Write a B0 with random weights whose head tells dark from bright well enough for both classes to occur."""
    torch.manual_seed(0)
    config = MMSNetConfig(
        in_channels=len(spec.channels) * spec.slices,
        classes=1 if len(labels) == 1 else len(labels) + 1,
        width=16,
        adapter_ratio=8,
        scales=1,
        frequencies=1,
        head_dropout=0.3,
    )
    network = MMSNet(config).eval()
    with torch.no_grad():
        # Random logits hug 0: spread them around the threshold, so that masks are neither empty nor full.
        images = torch.stack([torch.from_numpy(blobs((config.in_channels, 64, 64), seed)) for seed in range(8)])
        features = network.features(images)
        network.classify.bias.zero_()
        logits = network.head(features)
        scale = 2 / logits.std(dim=(0, 2, 3))
        network.classify.weight *= scale[:, None, None, None]
        network.classify.bias -= scale * logits.mean(dim=(0, 2, 3))
    card = Card("Test model", "Random weights.", "CC0", "tests", "patients")
    model = ModelFolder(folder, folder.name, "Test model", "1", "lesion", config.to_dict(), spec, labels, card)
    return write_model(model, lambda path: save_file(network.state_dict(), path))


LESION = (LabelName(1, "lesion", "#e8a33d"),)
PARTS = (LabelName(1, "anterior", "#e8a33d"), LabelName(4, "posterior", "#3d6be8"))


@pytest.fixture(scope="session")
def rgb_model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """Colours, whole slices at 64 pixels, one label."""
    return make_model(tmp_path_factory.mktemp("models") / "rgb", InputSpec(("red", "green", "blue"), size=64), LESION)


@pytest.fixture(scope="session")
def volume_model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """One contrast with its neighbouring slices, 1 mm pixels, two labels."""
    spec = InputSpec(("t1",), slices=3, size=64, spacing=1.0, normalisation="percentile")
    return make_model(tmp_path_factory.mktemp("models") / "volume", spec, PARTS)


@pytest.fixture(scope="session")
def contrasts_model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """Two contrasts, whole slices at 64 pixels, one label."""
    spec = InputSpec(("t1", "flair"), size=64, normalisation="percentile")
    return make_model(tmp_path_factory.mktemp("models") / "contrasts", spec, LESION)


@pytest.fixture
def volume(blobs: Callable[..., npt.NDArray[np.float32]]) -> Volume:
    """A small anisotropic volume, 3 mm slices, no side like another."""
    affine = np.diag([1.0, 1.2, 3.0, 1.0])
    affine[:3, 3] = (-20.0, 11.0, 5.0)
    return Volume(blobs((7, 33, 41)), affine, "zyx", ("t1",), name="case 7")


@pytest.fixture
def photo(blobs: Callable[..., npt.NDArray[np.float32]]) -> Volume:
    """A small photograph with odd sides."""
    data = (blobs((3, 51, 77)) * 255).astype(np.uint8)
    return Volume(data, axes="cyx", channels=("red", "green", "blue"), name="photo.png", calibrated=False)
