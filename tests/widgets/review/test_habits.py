from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import platformdirs
import pytest

from napari_medfreq.widgets.review.habits import DEFAULT_KEYS, Habits, load_habits, save_habits

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    """The file in which habits are remembered (conftest.py leads there)."""
    return platformdirs.user_config_path() / "review.json"


def test_what_was_remembered_comes_back(tmp_path: Path, memory: Path) -> None:
    assert load_habits() == Habits()
    habits = replace(Habits(), folder=tmp_path / "study", keys={**DEFAULT_KEYS, "next": "J"}, zoom=False)
    save_habits(habits)
    assert memory.is_file()
    assert load_habits() == habits


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"folder": 3, "keys": [], "zoom": 1}'])
def test_a_damaged_memory_is_as_none(memory: Path, content: str) -> None:
    memory.parent.mkdir(parents=True)
    memory.write_text(content)
    assert load_habits() == Habits()


def test_an_unknown_action_is_dropped_and_a_new_one_gets_its_key(memory: Path) -> None:
    memory.parent.mkdir(parents=True)
    memory.write_text('{"folder": "x", "keys": {"next": "J", "dance": "D"}, "zoom": true}')
    assert load_habits().keys == {**DEFAULT_KEYS, "next": "J"}


def test_no_place_to_remember_is_no_error(memory: Path) -> None:
    memory.parent.parent.mkdir(exist_ok=True)
    memory.parent.write_text("a file where the folder should be")
    save_habits(Habits())
    assert load_habits() == Habits()
