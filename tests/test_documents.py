"""What the documents say is true: their code runs, their links lead somewhere, their commands exist."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from napari_medfreq.io.models import read_model, write_model

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
SHIPPED = ("mmsnet-mix-b0", "mmsnet-hippocampus")


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def desk(tmp_path: Path, models_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``scan.nii.gz`` and ``photo.png``; small models go by the names of the shipped ones."""
    for name in SHIPPED:
        shutil.copytree(models_folder / "tiny", tmp_path / "models" / name)
        model = read_model(tmp_path / "models" / name)
        object.__setattr__(model, "name", name)
        write_model(model, model.weights.read_bytes())
    monkeypatch.setenv("MEDFREQ_MODELS", str(tmp_path / "models"))
    generator = np.random.default_rng(0)
    scan = generator.normal(size=(40, 36, 6)).astype(np.float32)
    nib.save(nib.Nifti1Image(scan, np.diag([1.0, 1.0, 3.0, 1.0])), tmp_path / "scan.nii.gz")
    Image.fromarray(generator.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(tmp_path / "photo.png")
    return tmp_path


def run(desk: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words], cwd=desk, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if blocks(path, "python")], ids=relative)
def test_the_code_of_a_document_runs(path: Path, desk: Path) -> None:
    code = "\n".join(blocks(path, "python"))
    (desk / "document.py").write_text(code, encoding="utf-8")
    run(desk, "document.py")
    if 'write(found.labels, "mask.nii.gz")' in code:
        assert nib.load(desk / "mask.nii.gz").shape == (40, 36, 6)


def test_the_example_that_segments_a_file(desk: Path) -> None:
    printed = run(desk, str(ROOT / "examples" / "segment_file.py"), "photo.png", "mask.png")
    assert "thing:" in printed
    assert "most uncertain voxel (yx)" in printed
    assert (desk / "mask.png").is_file()


def test_the_example_that_ranks_slices(desk: Path) -> None:
    printed = run(desk, str(ROOT / "examples" / "rank_slices.py"), "scan.nii.gz")
    doubts = [float(line.split()[2]) for line in printed.splitlines()]
    assert len(doubts) == 6
    assert doubts == sorted(doubts, reverse=True)


def test_the_example_that_mutes_bands(desk: Path) -> None:
    example = str(ROOT / "examples" / "mute_bands.py")
    printed = run(desk, example, "scan.nii.gz", "smooth.nii.gz")
    assert printed.count("muted") == 8
    before, after = (np.asarray(nib.load(desk / name).dataobj) for name in ("scan.nii.gz", "smooth.nii.gz"))
    assert after.shape == before.shape
    assert 0.0 < after.std() < 0.8 * before.std()
    printed = run(desk, example, "photo.png", "photo_without.png", "1:0", "2:7")
    assert printed.count("muted") == 2
    assert Image.open(desk / "photo_without.png").size == (50, 40)


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", text)
    missing = [target for target in targets if not (path.parent / target).exists()]
    assert not missing, f"{relative(path)} links to what is not there: {missing}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_toml_in_a_document_is_toml(path: Path) -> None:
    for block in blocks(path, "toml"):
        tomllib.loads(block)


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_make_targets_in_a_document_exist(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{relative(path)}: there is no `make {target}`"


def test_the_options_of_segment_are_documented() -> None:
    from typer.main import get_command

    from napari_medfreq.cli.main import app

    options = get_command(app).commands["segment"].params
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    names = [name for option in options for name in option.opts if name.startswith("--")]
    assert [name for name in names if name not in text] == []
