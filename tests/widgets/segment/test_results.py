"""The layers of a result are there before it is computed, and end as what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_medfreq.engine.options import Segmentation
from napari_medfreq.volume import Volume
from napari_medfreq.widgets.layers import layers_of
from napari_medfreq.widgets.segment.results import ResultLayers

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from napari_medfreq.io.models import ModelFolder
    from napari_medfreq.widgets.segment.dock import SegmentDock

pytestmark = pytest.mark.gui
PATIENCE = 90_000


@pytest.fixture
def scan() -> Volume:
    data = np.random.default_rng(0).random((6, 48, 52), dtype=np.float32)
    # Lies in the file as it is shown.
    return Volume(data, np.diag([-1.0, -1.0, 1.0, 1.0]), channels=("t1",), name="scan")


def test_no_layer_is_added_while_the_result_is_computed(
    viewer: Any, open_dock: Callable[..., SegmentDock], volume_model: ModelFolder, scan: Volume, qtbot: QtBot
) -> None:
    dock = open_dock(volume_model)
    viewer.add_layer(*layers_of(scan))
    events: list[str] = []
    viewer.layers.events.inserted.connect(lambda event: events.append(event.value.name))
    dock.controller.sent.connect(lambda: events.append("sent"))
    with qtbot.waitSignal(dock.controller.found, timeout=PATIENCE) as signal:
        dock.button.click()
    assert sorted(events[:-1]) == ["scan labels", "scan probability", "scan uncertainty"]
    assert events[-1] == "sent"
    np.testing.assert_array_equal(viewer.layers["scan labels"].data, signal.args[0].labels.data)


def test_a_wrong_guess_of_what_is_found_leaves_no_trace(viewer: Any, volume_model: ModelFolder, scan: Volume) -> None:
    source = viewer.add_layer(*layers_of(scan))
    results = ResultLayers(viewer, source, scan, volume_model)
    results.expect(uncertainty=True)
    while results.advance():
        pass
    assert [layer.name for layer in viewer.layers[1:]] == ["scan probability", "scan uncertainty", "scan labels"]
    assert not viewer.layers["scan labels"].editable
    # Two maps in place of one, and no uncertainty.
    mask, maps = np.ones(scan.data.shape, np.uint8), np.full((1, *scan.data.shape), 0.5, np.float16)
    found = Segmentation(
        labels=scan.like(mask, kind="labels"),
        probability=scan.like(maps, axes="czyx", channels=("thing",), kind="probability"),
        uncertainty=None,
        regions=(),
        provenance={},
    )
    results.finish(found)
    labels = viewer.layers["scan labels"]
    assert len(viewer.layers) == 3
    assert "scan uncertainty" not in viewer.layers
    np.testing.assert_array_equal(labels.data, mask)
    np.testing.assert_array_equal(viewer.layers[1].data, maps[0])
    assert labels.editable
