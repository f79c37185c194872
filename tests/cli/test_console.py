from __future__ import annotations

import json

import pytest

from napari_medfreq.cli import console
from napari_medfreq.errors import FileError


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 * 2**30, "3.0 GiB"), (2**41, "2.0 TiB")]
)
def test_bytes_in_words(count: int, words: str) -> None:
    assert console.bytes_in_words(count) == words


def test_json_is_one_value_on_stdout_whatever_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"path": "[red]folder[/red]/" + "long/" * 100, "name": "Müller", "none": None}
    console.print_json(value)
    captured = capsys.readouterr()
    assert json.loads(captured.out) == value
    assert "Müller" in captured.out
    assert captured.err == ""


def test_brackets_of_a_file_name_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    console.say_error(FileError("scan[1].nii.gz is empty"))
    captured = capsys.readouterr()
    assert captured.err.strip() == "scan[1].nii.gz is empty"
    assert captured.out == ""


def test_the_progress_bar_is_silent_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress_bar(console.err()) as bar:
        bar.update(bar.add_task("x", total=2), completed=2)
    assert capsys.readouterr() == ("", "")
