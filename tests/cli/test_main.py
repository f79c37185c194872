from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import napari_medfreq

if TYPE_CHECKING:
    from collections.abc import Callable

    Program = Callable[..., subprocess.CompletedProcess[str]]


def test_help_names_every_command_without_loading_what_it_does_not_need(program: Program) -> None:
    done = program("--help")
    assert done.returncode == 0
    for command in ("segment", "models", "info", "demo", "train", "evaluate"):
        assert command in done.stdout
    code = "import napari_medfreq.cli.main, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "napari", "nibabel", "monai"} & set(loaded)


def test_version(program: Program) -> None:
    done = program("--version")
    assert done.returncode == 0
    assert done.stdout.strip() == f"napari-medfreq {napari_medfreq.__version__}"


def test_an_error_is_one_plain_line(program: Program) -> None:
    done = program("models", "show", "no-such-model")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "no-such-model" in done.stderr
    assert "tiny" in done.stderr, "the message names the models that there are"
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_debug_shows_where_an_error_came_from(program: Program) -> None:
    done = program("--debug", "models", "show", "no-such-model")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ModelError" in done.stderr


def test_a_wrong_option_is_a_usage_error(program: Program) -> None:
    assert program("segment", "--no-such-option").returncode == 2
