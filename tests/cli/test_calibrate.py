from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner

from napari_medfreq.cli.main import app
from napari_medfreq.io.models import Card, InputSpec, LabelName, ModelFolder, open_model, write_model
from napari_medfreq.nn.mmsnet import MMSNet, MMSNetConfig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from napari_medfreq.io.model_config import Calibration

COUNT = 24


@pytest.fixture(scope="module")
def medfreq() -> Callable[..., Result]:
    """Run the program in this process."""
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "250"})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that is far too sure of itself, and pictures whose truth is its own mask, with noise put into it."""
    from safetensors.torch import save

    folder = tmp_path_factory.mktemp("calibrate")
    torch.manual_seed(0)
    config = MMSNetConfig(width=16, adapter_ratio=8, scales=1, frequencies=1, head_dropout=0.01)
    network = MMSNet(config).eval().requires_grad_(False)
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    pictures = []
    for _ in range(COUNT):
        smooth = gaussian_filter(rng.normal(size=(64, 64, 3)), (6, 6, 0))
        pictures.append(((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8))
    batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    logits = network(batch)
    network.classify.weight *= 8 / logits.std()
    network.classify.bias.copy_((network.classify.bias - logits.mean()) * 8 / logits.std())
    soft = (network(batch) / 4).sigmoid()[:, 0].numpy()
    for number, (picture, probability) in enumerate(zip(pictures, soft, strict=True)):
        mask = rng.random(probability.shape) < probability
        Image.fromarray(picture).save(folder / "images" / f"{number}.png")
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / "masks" / f"{number}.png")
    write_model(
        ModelFolder(
            path=folder / "sure",
            name="sure",
            title="Too sure",
            version="1",
            task="blob",
            network=config.to_dict(),
            input=InputSpec(("red", "green", "blue"), size=64),
            labels=(LabelName(1, "blob", "#e8a33d"),),
            card=Card("Too sure", "Random weights.", "CC0", "Tests.", "Patients."),
        ),
        save({name: tensor.contiguous() for name, tensor in network.state_dict().items()}),
    )
    return folder


def calibration(place: Path) -> Calibration | None:
    return open_model(place / "sure").calibration


def test_one_command_learns_the_temperature_and_evaluation_shows_it(
    place: Path, medfreq: Callable[..., Result]
) -> None:
    index = ("--index", place, "--device", "cpu")
    before = open_model(place / "sure")
    words = ("evaluate", "-m", place / "sure", *index, "--uncertainty", "--json")
    done = medfreq(*words)
    assert done.exit_code == 0, done.output
    (raw,) = json.loads(done.stdout)["datasets"].values()
    assert raw["ece"] > 0.1
    assert "ece_before" not in raw

    done = medfreq("calibrate", "-m", place / "sure", *index, "--split", "all", "--json")
    assert done.exit_code == 0, done.output
    after = open_model(place / "sure")
    learned = after.calibration
    assert learned is not None
    assert json.loads(done.stdout)["temperature"] == learned.temperature == pytest.approx(4.0, rel=0.15)
    assert learned.cases == COUNT
    assert (after.sha256, after.card) == (before.sha256, before.card)

    done = medfreq(*words)
    (row,) = json.loads(done.stdout)["datasets"].values()
    assert row["ece"] < 0.02 < row["ece_before"]
    assert row["ece_before"] == pytest.approx(raw["ece"], abs=0.005)
    assert row["dice"] == raw["dice"]
    assert row["mae"] == pytest.approx(raw["mae"], abs=0.002)
    assert row["ue_threshold"] == learned.uncertainty_threshold
    assert row["ue_overlap"] >= raw["ue_overlap"]
    assert row["expected_dice_error"] < 0.05
    table = medfreq("evaluate", "-m", place / "sure", *index, "--uncertainty", "--passes", 5)
    assert "error AUROC" in table.stdout
    assert "U-E overlap" in table.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("calibrate", "-m", "sure", "--split", "test"), "not calibrated on test cases"),
        (("calibrate", "-m", "sure", "--split", "validation"), "at least 5 validation cases"),
        (("evaluate", "--run", "x", "--uncertainty"), "export the run"),
    ],
)
def test_mistakes_are_one_line(
    place: Path, words: tuple[str, ...], message: str, medfreq: Callable[..., Result]
) -> None:
    words = tuple(str(place / "sure") if word == "sure" else word for word in words)
    done = medfreq(*words, "--index", place)
    assert done.exit_code == 1
    assert message in done.stderr
    assert "Traceback" not in done.output
