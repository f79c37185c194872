from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from napari_medfreq.io.models import open_model

from .test_synthesize import NAMES, write_contrast

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BASELINES = {"mean of matched inputs", "linear regression", "U-Net"}


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with two whole persons."""
    for person in range(2):
        (tmp_path / "persons" / f"p{person}").mkdir(parents=True)
        for seed, name in enumerate(NAMES):
            write_contrast(tmp_path / "persons" / f"p{person}" / f"{name}.nii.gz", 10 * person + seed)
    return tmp_path


def test_every_target_beside_every_baseline(desk: Path, program: Callable[..., Any], synthesis_model: Path) -> None:
    done = program("evaluate-synthesis", "--model", synthesis_model, "--data", "persons", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert list(said["targets"]) == list(NAMES)
    for row in said["targets"].values():
        assert {"psnr", "ssim", "mae", "baselines"} <= set(row)
        assert set(row["baselines"]) == BASELINES
        assert all({"psnr", "ssim"} <= set(figures) for figures in row["baselines"].values())
    assert set(said["persons"]) == {"p0", "p1"}
    assert "99.9 percentile" in said["data_range"]


def test_the_figures_go_into_the_card(desk: Path, program: Callable[..., Any], synthesis_model: Path) -> None:
    own = shutil.copytree(synthesis_model, desk / "own")
    done = program("evaluate-synthesis", "-m", own, "--data", "persons", "--person", "p1", "--into-card")
    assert done.returncode == 0, done.stderr
    assert "linear regression" in done.stdout
    metrics = open_model(own, kind="synthesis").card.metrics
    assert set(metrics["t2"]["baselines"]) == BASELINES
    assert metrics["measured"]["persons"] == "p1"
    assert (own / "baselines.safetensors").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "either a model"),
        (("--run", "absent"), "absent"),
        (("--person", "nobody", "--model", "MODEL"), "nobody called nobody"),
    ],
)
def test_bad_requests_are_refused_in_words(
    desk: Path, program: Callable[..., Any], synthesis_model: Path, words: tuple[str, ...], said: str
) -> None:
    asked = [synthesis_model if word == "MODEL" else word for word in words]
    done = program("evaluate-synthesis", "--data", "persons", *asked)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
