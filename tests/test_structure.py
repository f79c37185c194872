"""The rules of docs/architecture.md that no linter checks."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "napari_medfreq"
SOURCES = sorted(path for path in PACKAGE.rglob("*.py"))
MAX_LINES = 300
NOTHING_TO_TEST = {"errors.py"}  # classes without a line of code
# Parts of a whole that users only ever meet together are tested as that whole.
TESTED_THROUGH = {
    "widgets/demo.py": "cli/test_demo.py",
    "widgets/docking.py": "widgets/segment/test_dock.py",
    "widgets/looks.py": "widgets/test_layers.py",
    "widgets/parts.py": "widgets/review/test_dock.py",
    "widgets/placement.py": "widgets/test_layers.py",
    "widgets/volumes.py": "widgets/test_layers.py",
    "widgets/series.py": "widgets/test_contributions.py",
    "widgets/wording.py": "widgets/segment/test_dock.py",
    **{
        f"widgets/frequencies/{part}.py": "widgets/frequencies/test_dock.py"
        for part in (
            "asking",
            "captions",
            "changed",
            "controller",
            "fan",
            "form",
            "listening",
            "making",
            "model_page",
            "needs",
            "painting",
            "panel",
            "questions",
            "spectra",
        )
    },
    **{
        f"widgets/review/{part}.py": "widgets/review/test_dock.py"
        for part in (
            "autosave",
            "background",
            "cases",
            "controller",
            "export",
            "flight",
            "form",
            "inputs",
            "keys",
            "learning",
            "opening",
            "outline",
            "page",
            "panel",
            "place",
            "rows",
            "session",
            "status",
            "table",
            "watching",
        )
    },
    **{
        f"widgets/segment/{part}.py": "widgets/segment/test_dock.py"
        for part in ("card", "controller", "export", "form", "inputs", "results", "table")
    },
}


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


MODULES = [path for path in SOURCES if not path.name.startswith("__") and relative(path) not in NOTHING_TO_TEST]


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_LINES, f"{relative(path)} has {lines} lines; split it by what it does"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_each_module_has_its_tests_where_one_looks_for_them(path: Path) -> None:
    name = relative(path)
    own = Path(name).with_name(f"test_{path.name}").as_posix()
    expected = ROOT / "tests" / TESTED_THROUGH.get(name, own)
    assert expected.is_file(), f"{name} has no {expected.relative_to(ROOT)}"
    assert "def test_" in expected.read_text(encoding="utf-8"), f"{expected.relative_to(ROOT)} holds no test"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_module_says_what_it_is_for_and_is_no_drawer_for_leftovers(path: Path) -> None:
    assert path.stem.strip("_") not in {"utils", "util", "helpers", "misc", "common"}
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{relative(path)} has no docstring"


@pytest.mark.parametrize("path", [path for path in SOURCES if path.name == "__init__.py"], ids=relative)
def test_a_package_file_only_names_things(path: Path) -> None:
    allowed = (ast.Expr, ast.Import, ast.ImportFrom, ast.Assign)
    extra = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if not isinstance(node, allowed)]
    assert not extra, f"{relative(path)} line {extra[0].lineno}: code belongs into a module with a name"


def loaded_after(statement: str) -> set[str]:
    """Top-level packages in memory after `statement` ran in a fresh interpreter."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


HEAVY = {"torch", "monai", "lightning", "pandas", "skimage", "scipy"}
VIEWER = {"napari", "qtpy", "PySide6", "PyQt6"}


def test_importing_the_package_loads_neither_torch_nor_qt() -> None:
    assert not loaded_after("import napari_medfreq") & (HEAVY | VIEWER | {"numpy"})


LIGHT = ["volume", "errors", "engine.options", "io.files", "io.models", "transforms", "transforms.bands"]


@pytest.mark.parametrize("room", LIGHT)
def test_what_the_viewer_may_import_stays_light(room: str) -> None:
    assert not loaded_after(f"import napari_medfreq.{room}") & {"torch", "monai", "lightning", *VIEWER}


@pytest.mark.parametrize("room", ["jobs.messages", "jobs.host"])
def test_the_compute_host_is_reached_without_torch(room: str) -> None:
    assert not loaded_after(f"import napari_medfreq.{room}") & {"torch", "monai", "lightning", *VIEWER}


def test_the_manifest_on_top_is_the_one_in_the_package() -> None:
    top = ROOT / "napari.yaml"
    packaged = (PACKAGE / "napari.yaml").read_text(encoding="utf-8")
    assert packaged.strip()
    # On a system without links git writes the link's target into a plain file.
    linked = top.is_symlink() or top.read_text(encoding="utf-8").strip() != "src/napari_medfreq/napari.yaml"
    assert not linked or top.read_text(encoding="utf-8") == packaged


def test_every_command_of_the_manifest_can_be_imported() -> None:
    from npe2 import PluginManifest

    manifest = PluginManifest.from_distribution("napari-medfreq")
    assert manifest.contributions.widgets, "the plugin offers no dock"
    manifest.validate_imports()


def test_the_pins_cover_what_is_asked_for() -> None:
    """A dependency without a pin may break `make test` any day."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*config["project"]["dependencies"], *config["dependency-groups"]["test"]]
    names = {re.sub(r"[-_.]+", "-", re.split(r"[\s<>=!~\[;]", entry)[0]).lower() for entry in wanted}
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.split("==")[0] for line in lines if line and not line.startswith("#")}
    assert names <= pinned, f"not in constraints.txt: {sorted(names - pinned)}"


MODEL_FOLDERS = sorted(path for path in (ROOT / "models").glob("*") if path.is_dir())


def test_models_are_shipped() -> None:
    assert MODEL_FOLDERS


@pytest.mark.parametrize("folder", MODEL_FOLDERS, ids=lambda folder: folder.name)
def test_shipped_weights_have_the_hash_that_their_folder_states(folder: Path) -> None:
    from napari_medfreq.io.models import read_model, verify

    model = read_model(folder)
    verify(model)
    assert model.name == folder.name
