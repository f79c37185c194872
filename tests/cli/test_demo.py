from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from napari_medfreq.cli import demo
from napari_medfreq.errors import MedfreqError

if TYPE_CHECKING:
    from pathlib import Path


def test_without_a_display_the_demo_works_on_a_virtual_one_and_leaves_a_picture(
    tmp_path: Path, models_folder: Path
) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("macOS and Windows always have a display")
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    command = [
        sys.executable,
        "-c",
        "from napari_medfreq.cli.main import app; app()",
        "demo",
        "-m",
        str(models_folder / "tiny"),
    ]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "demo.png") as picture:
        assert picture.width >= 800
        # A window that shows an image has many colours; an empty one has a handful.
        assert len(set(picture.convert("RGB").resize((200, 150)).getdata())) > 1000


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"DISPLAY": ""}, False),
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
        ({"QT_QPA_PLATFORM": "offscreen"}, True),
    ],
)
def test_what_counts_as_a_display_on_linux(
    variables: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert demo.has_display(variables) is expected


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_always_have_one(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert demo.has_display({})


@pytest.mark.parametrize("missing", [("napari",), demo.QT_BINDINGS])
def test_without_a_viewer_the_message_says_what_to_install(
    missing: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = demo.find_spec
    monkeypatch.setattr(demo, "find_spec", lambda name: None if name in missing else found(name))
    with pytest.raises(MedfreqError, match=r"pip install .napari-medfreq\[all\]"):
        demo.check_viewer()


def test_without_xvfb_the_message_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MedfreqError, match="apt-get install xvfb"):
        demo.virtual_display()
