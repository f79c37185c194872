"""Cases as a model leaves them, in a real viewer, with a real child process that finds the regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_medfreq.io.files import read, write
from napari_medfreq.io.models import LabelName
from napari_medfreq.jobs.host import ChildExecutor
from napari_medfreq.volume import Volume
from napari_medfreq.widgets.layers import layers_of, result_tuple
from napari_medfreq.widgets.parts import PART, ResultPart
from napari_medfreq.widgets.review.dock import ReviewDock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

# A child process that starts on a busy machine takes its time.
PATIENCE = 60_000
NAMES = (LabelName(1, "lesion", "#e8a33d"),)
# Shown with other axes, and flipped ones, than it is stored with.
AFFINE = np.array([[0, 0, -2.0, 30], [-0.8, 0, 0, 20], [0, 1.2, 0, -30], [0, 0, 0, 1.0]])
BALLS = ((6, 12, 12), (6, 14, 40), (9, 40, 20))


class Lent:
    """A child process that several docks use in turn: closing a dock gives it back."""

    def __init__(self, executor: ChildExecutor) -> None:
        self.submit, self.warm_up = executor.submit, executor.warm_up

    def shutdown(self) -> None:
        pass


@dataclass
class Scene:
    """The layers of a result."""

    image: Any
    labels: Any
    probability: Any


def probability(shape: tuple[int, ...] = (14, 56, 52)) -> np.ndarray:
    """Three balls, each with a doubtful edge of its own."""
    grid = np.indices(shape)
    distance = np.min([np.sqrt(sum((g - c) ** 2 for g, c in zip(grid, ball, strict=True))) for ball in BALLS], axis=0)
    return (1 / (1 + np.exp(2 * (distance - 5)))).astype(np.float16)


def _scan(value: int = 0) -> Volume:
    data = np.random.default_rng(value).integers(0, 900, (14, 56, 52), dtype=np.int16)
    return Volume(data, AFFINE, name=f"scan{value or ''}")


def _add_scene(viewer: Any, volume: Volume) -> Scene:
    """Add an image, its mask and the mask's probability, as the Segment dock leaves them."""
    from napari.layers import Layer

    (image,) = [viewer.add_layer(layer) for layer in layers_of(volume)]
    chance = probability()
    made: dict[str, Any] = {}
    record = {"model": {"name": "balls", "version": "1", "sha256": "0" * 64}}
    for kind, data in (("probability", chance), ("labels", (chance > 0.5).astype(np.uint8))):
        layer = Layer.create(*result_tuple(volume.like(data, kind=kind, name=f"{volume.name} {kind}"), image, NAMES))
        layer.metadata[PART] = ResultPart(record, kind, 0, NAMES)
        made[kind] = viewer.add_layer(layer)
    made["probability"].visible = False
    return Scene(image, made["labels"], made["probability"])


@pytest.fixture
def scan() -> Callable[..., Volume]:
    """Return what makes a scan of random voxels, another one for each number."""
    return _scan


@pytest.fixture
def add_scene(viewer: Any) -> Callable[[], Scene]:
    """Return what adds a scan that comes from no file, and its mask."""
    return lambda: _add_scene(viewer, _scan())


@pytest.fixture
def lent(child: ChildExecutor) -> Lent:
    """The child process, for a dock of one's own."""
    return Lent(child)


@pytest.fixture
def from_file(viewer: Any, tmp_path: Path) -> Callable[..., Scene]:
    """Return what writes a scan, opens it as a user does and adds its mask."""

    def make(value: int = 0) -> Scene:
        path = tmp_path / f"scan{value}.nii.gz"
        write(_scan(value), path)
        return _add_scene(viewer, read(path)[0])

    return make


@pytest.fixture(scope="module")
def child() -> Iterator[ChildExecutor]:
    """One child for all tests of a module."""
    with ChildExecutor() as executor:
        yield executor


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tests out of the folders of whoever runs them."""
    import platformdirs

    for name in ("user_config_path", "user_data_path"):
        monkeypatch.setattr(platformdirs, name, lambda *_, name=name, **__: tmp_path / name)


@pytest.fixture
def open_dock(viewer: Any, child: ChildExecutor) -> Callable[[], ReviewDock]:
    """Return what opens the dock in the viewer."""

    def make() -> ReviewDock:
        dock = ReviewDock(viewer, Lent(child))
        viewer.window.add_dock_widget(dock, name="Review")
        return dock

    return make


@pytest.fixture
def begin(qtbot: QtBot) -> Callable[..., None]:
    """Return what clicks Begin and waits for the queue."""

    def click(dock: ReviewDock, folder: Path | None = None) -> None:
        if folder is not None:
            dock.page.folder.line.setText(str(folder))
        with qtbot.waitSignal(dock.controller.opened, timeout=PATIENCE):
            dock.page.begin_button.click()

    return click


@pytest.fixture
def reopen(qtbot: QtBot) -> Callable[[ReviewDock, Path], None]:
    """Return what opens a review and waits for it."""

    def ask(dock: ReviewDock, folder: Path) -> None:
        dock.controller.open(folder)
        qtbot.waitUntil(lambda: not dock.controller.busy, timeout=PATIENCE)

    return ask


@pytest.fixture
def saved(qtbot: QtBot) -> Callable[[ReviewDock], None]:
    """Return what waits until everything is in the folder."""

    def wait(dock: ReviewDock) -> None:
        qtbot.waitUntil(lambda: dock.session is None or dock.session.autosave.idle, timeout=PATIENCE)

    return wait
