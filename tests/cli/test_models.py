from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Program = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def damaged(models_folder: Path, tmp_path: Path) -> Path:
    """A copy of the model folder, one byte of whose weights is another."""
    folder = tmp_path / "models"
    shutil.copytree(models_folder, folder)
    weights = folder / "tiny" / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    return folder


def test_list_shows_each_model_with_what_it_finds(program: Program) -> None:
    done = program("models", "list")
    assert done.returncode == 0, done.stderr
    assert "tiny" in done.stdout
    assert "thing" in done.stdout


def test_list_as_json(program: Program, models_folder: Path) -> None:
    found = json.loads(program("models", "list", "--json").stdout)
    tiny = next(model for model in found["models"] if model["name"] == "tiny")
    assert tiny["path"] == str(models_folder / "tiny")
    assert tiny["labels"] == [{"value": 1, "name": "thing", "colour": "#e8a33d"}]
    assert found["damaged"] == []


def test_list_names_a_folder_that_cannot_be_used(program: Program, damaged: Path) -> None:
    (damaged / "tiny" / "card.md").unlink()
    done = program("models", "list", MEDFREQ_MODELS=str(damaged))
    assert done.returncode == 0
    assert "card.md" in done.stderr


def test_show_gives_the_card(program: Program) -> None:
    done = program("models", "show", "tiny")
    assert done.returncode == 0, done.stderr
    for text in ("Random weights.", "Anything else.", "CC0", "red+green+blue", "1 thing"):
        assert text in done.stdout


def test_show_takes_a_folder(program: Program, models_folder: Path) -> None:
    done = program("models", "show", models_folder / "tiny", "--json")
    assert json.loads(done.stdout)["card"]["not_for"] == "Anything else."


def test_verify_accepts_whole_weights(program: Program) -> None:
    done = program("models", "verify", "tiny")
    assert done.returncode == 0
    assert done.stdout.strip() == "tiny: ok"


def test_verify_finds_one_wrong_byte(program: Program, damaged: Path) -> None:
    done = program("models", "verify", MEDFREQ_MODELS=str(damaged))
    assert done.returncode == 1
    assert "weights.safetensors" in done.stderr
    assert "Traceback" not in done.stderr


def test_verify_in_json_says_which_is_wrong(program: Program, damaged: Path) -> None:
    done = program("models", "verify", damaged / "tiny", "--json")
    assert done.returncode == 1
    assert "hash" in json.loads(done.stdout)["models"][str(damaged / "tiny")]
