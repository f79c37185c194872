from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch

from napari_medfreq.errors import DatasetError, FileError
from napari_medfreq.train import runs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "some.toml"
    path.write_text('name = "a"\n')
    return path


@pytest.fixture
def run(tmp_path: Path, config: Path) -> Path:
    runs.open_run(tmp_path / "run", config)
    return tmp_path / "run"


def test_a_run_keeps_its_config_and_what_made_it(run: Path, config: Path) -> None:
    assert (run / runs.CONFIG).read_bytes() == config.read_bytes()
    versions = json.loads((run / runs.PROVENANCE).read_text())["versions"]
    assert versions["torch"] == torch.__version__
    runs.open_run(run, config)
    runs.open_run(run, run / runs.CONFIG)


def test_another_config_is_refused_and_changes_nothing(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text('name = "b"\n')
    with pytest.raises(DatasetError, match=r"holds a run of another config.*resume with its own"):
        runs.open_run(run, other)
    assert (run / runs.CONFIG).read_text() == 'name = "a"\n'


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, config: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="the run folder cannot be written"):
        runs.open_run(tmp_path / "file", config)


def test_events_are_lines_of_json(run: Path) -> None:
    runs.append_event(run, "step", samples=3, loss=torch.tensor(0.5))
    runs.append_event(run, "end")
    first, second = map(json.loads, (run / runs.EVENTS).read_text().splitlines())
    assert (first["kind"], first["samples"], first["loss"]) == ("step", 3, 0.5)
    assert second["kind"] == "end"
    assert second["time"] >= first["time"]


def test_a_checkpoint_comes_back_as_it_was(run: Path) -> None:
    assert runs.load_checkpoint(run, "last") is None
    state = {"network": {"weight": torch.randn(3, 4)}, "samples": 12, "best": 0.25}
    runs.save_checkpoint(run, "last", state)
    found = runs.load_checkpoint(run, "last")
    assert found is not None
    assert torch.equal(found["network"]["weight"], state["network"]["weight"])  # type: ignore[index]
    assert (found["samples"], found["best"]) == (12, 0.25)


def test_a_checkpoint_that_was_cut_short_leaves_the_one_before_it(run: Path, config: Path) -> None:
    class Killed(BaseException):
        pass

    class Cuts:
        """Cannot be saved: stands for a process that ends while it writes."""

        def __reduce__(self) -> str:
            raise Killed

    runs.save_checkpoint(run, "last", {"samples": 1})
    with pytest.raises(Killed):
        runs.save_checkpoint(run, "last", {"samples": 2, "rest": Cuts()})
    abandoned = run / "checkpoints" / ".0123.part"
    abandoned.write_bytes(b"half of one")
    assert runs.load_checkpoint(run, "last") == {"samples": 1}
    runs.open_run(run, config)
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["last.pt"]


@pytest.mark.parametrize("content", [b"", b"half of a checkpoint", b"PK\x03\x04 and no more"])
def test_a_damaged_checkpoint_is_said(run: Path, content: bytes) -> None:
    (run / "checkpoints" / "last.pt").write_bytes(content)
    with pytest.raises(FileError, match=r"last\.pt is damaged; restore it from a copy, or delete it"):
        runs.load_checkpoint(run, "last")
