from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pytest

from napari_medfreq.errors import DatasetError
from napari_medfreq.train.tables import read_table

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Part:
    size: int
    share: float = 0.5


@dataclass(frozen=True)
class Whole:
    name: str
    part: Part
    parts: tuple[Part, ...] = ()
    words: tuple[str, ...] = ()
    mode: Literal["one", "other"] = "one"


def written(folder: Path, text: str) -> Path:
    path = folder / "some.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_tables_become_dataclasses_and_lists_tuples(tmp_path: Path) -> None:
    text = 'name = "a"\nwords = ["x", "y"]\n[part]\nsize = 3\nshare = 1\n[[parts]]\nsize = 4\n[[parts]]\nsize = 5\n'
    found = read_table(written(tmp_path, text), Whole)
    assert found == Whole("a", Part(3, 1.0), (Part(4), Part(5)), ("x", "y"))
    assert isinstance(found.part.share, float)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = 1\n[part]\nsize = 3", "name of the config must be a text"),
        ('name = "a"', "the config lacks part"),
        ('name = "a"\npart = 3', r"\[part\] must be a table"),
        ('name = "a"\n[part]\nsize = true', r"size of \[part\] must be a whole number"),
        ('name = "a"\n[part]\nsize = 1\n[[parts]]\nside = 1', r"\[\[parts\]\] has entries that are not known: side"),
        ('name = "a"\nmode = "none"\n[part]\nsize = 1', "mode of the config must be one of one, other"),
        ("name = ", "not a TOML file"),
    ],
)
def test_what_does_not_fit_is_named_with_its_file(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DatasetError, match=rf"some\.toml.*{said}"):
        read_table(written(tmp_path, text), Whole)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"absent\.toml: the training config cannot be read"):
        read_table(tmp_path / "absent.toml", Whole)
