from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from napari_medfreq.errors import FileError, ModelError
from napari_medfreq.io.models import (
    Card,
    InputSpec,
    LabelName,
    ModelFolder,
    find_models,
    model_paths,
    open_model,
    read_model,
    verify,
    write_model,
)

WEIGHTS = save({"weight": np.arange(6, dtype=np.float32)})


def draft(path: Path, **changes: object) -> ModelFolder:
    fields: dict[str, object] = {
        "path": path,
        "name": path.name,
        "title": "Tiny",
        "version": "1.0",
        "task": "lesion",
        "network": {"classes": 1, "levels": (2, 3), "prompt": None},
        "input": InputSpec(("t1",), spacing=0.8),
        "labels": (LabelName(1, "lesion", "#e8a33d"),),
        "card": Card("Tiny", "Does little.", "CC0", "tests", "patients", text="More."),
    }
    return ModelFolder(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDFREQ_MODELS", os.pathsep.join([str(tmp_path / "first"), str(tmp_path / "second")]))
    return tmp_path


@pytest.fixture
def model(home: Path) -> ModelFolder:
    return write_model(draft(home / "first" / "tiny"), WEIGHTS)


def test_what_is_written_is_what_is_read(model: ModelFolder) -> None:
    found = open_model("tiny")
    assert found.input == model.input
    assert found.labels == model.labels
    assert found.card == model.card
    assert found.sha256 == model.sha256
    assert found.network == {"classes": 1, "levels": [2, 3]}
    assert sorted(p.name for p in model.path.iterdir()) == ["card.md", "config.toml", "weights.safetensors"]
    verify(found)


def test_a_model_opens_by_its_folder_too(model: ModelFolder) -> None:
    assert open_model(model.path).name == open_model(str(model.path)).name == "tiny"


def test_the_first_of_two_models_with_one_name_is_taken(home: Path, model: ModelFolder) -> None:
    write_model(draft(home / "second" / "tiny", version="9"), WEIGHTS)
    write_model(draft(home / "second" / "other"), WEIGHTS)
    found = {m.name: m for m in find_models()}
    assert found["tiny"].version == open_model("tiny").version == "1.0"
    assert "other" in found
    assert model_paths()[:2] == [home / "first", home / "second"]


def test_a_name_that_nobody_has_tells_which_there_are(model: ModelFolder) -> None:
    with pytest.raises(ModelError, match=r"no model 'tinny'.*tiny"):
        open_model("tinny")


def test_a_damaged_folder_does_not_hide_the_others(home: Path, model: ModelFolder) -> None:
    broken = write_model(draft(home / "first" / "broken"), WEIGHTS)
    (broken.path / "config.toml").write_text("format = 1\n]", encoding="utf-8")
    reported: list[Path] = []
    names = [m.name for m in find_models(lambda path, error: reported.append(path))]
    assert "tiny" in names
    assert "broken" not in names
    assert reported == [broken.path]


def test_changed_weights_are_noticed(model: ModelFolder) -> None:
    content = bytearray(model.weights.read_bytes())
    content[-1] ^= 1
    model.weights.write_bytes(content)
    with pytest.raises(ModelError, match="do not have the hash"):
        verify(read_model(model.path))


@pytest.mark.parametrize("name", ["card.md", "config.toml", "weights.safetensors"])
def test_a_folder_that_is_not_whole_is_refused(model: ModelFolder, name: str) -> None:
    (model.path / name).unlink()
    with pytest.raises(ModelError, match=f"{name} missing"):
        read_model(model.path)


def test_a_pickle_is_refused_whatever_it_is_called(model: ModelFolder) -> None:
    model.weights.write_bytes(pickle.dumps({"weight": 1}))
    with pytest.raises(ModelError, match="not a safetensors file: it is a pickle"):
        read_model(model.path)
    model.weights.rename(model.path / "weights.pt")
    with pytest.raises(ModelError, match=r"weights.pt is a pickle"):
        read_model(model.path)


@pytest.mark.parametrize("content", [b"", b"\x10", b"not weights at all", WEIGHTS[:20]])
def test_weights_that_are_cut_off_are_refused(model: ModelFolder, content: bytes) -> None:
    model.weights.write_bytes(content)
    with pytest.raises(ModelError, match="not a safetensors file"):
        read_model(model.path)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="not a folder"):
        read_model(tmp_path / "file")


def test_writing_again_replaces_the_whole_model(model: ModelFolder) -> None:
    (model.path / "stray.txt").touch()
    again = write_model(draft(model.path, version="2"), lambda path: path.write_bytes(WEIGHTS) and None)
    assert read_model(model.path).version == "2"
    assert again.sha256 == model.sha256
    assert not (model.path / "stray.txt").exists()
    assert [p.name for p in model.path.parent.iterdir()] == ["tiny"]


def test_a_failure_while_writing_leaves_the_old_model(model: ModelFolder) -> None:
    def full(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(FileError, match="disk is full"):
        write_model(draft(model.path, version="2"), full)
    with pytest.raises(ModelError, match="not a safetensors file"):
        write_model(draft(model.path, version="2"), b"rubbish")
    kept = read_model(model.path)
    verify(kept)
    assert kept.version == "1.0"
    assert [p.name for p in model.path.parent.iterdir()] == ["tiny"]


def test_a_folder_that_cannot_take_its_place_leaves_the_old_model(
    model: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when another program holds the folder open on Windows: the old one has stepped aside and must come back."""
    replace_path = Path.replace

    def refuse_new(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise PermissionError(errno.EACCES, "Permission denied")
        return replace_path(self, target)

    monkeypatch.setattr(Path, "replace", refuse_new)
    with pytest.raises(FileError, match="no permission"):
        write_model(draft(model.path, version="2"), WEIGHTS)
    assert read_model(model.path).version == "1.0"
    assert [p.name for p in model.path.parent.iterdir()] == ["tiny"]


def test_a_model_for_synthesis_is_found_only_where_it_is_asked_for(
    synthesis_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDFREQ_MODELS", str(synthesis_model.parent))
    assert "tiny-synthesis" not in [model.name for model in find_models()]
    assert "tiny-synthesis" in [model.name for model in find_models(kind="synthesis")]
    assert open_model("tiny-synthesis", kind="synthesis").kind == "synthesis"
    with pytest.raises(ModelError, match="is a model for synthesis, not for segmentation"):
        open_model("tiny-synthesis")
