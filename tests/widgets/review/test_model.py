from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtCore import Qt

from napari_medfreq.io.review import ReviewRegion
from napari_medfreq.widgets.review.model import LEFT, Filter, QueueModel
from napari_medfreq.widgets.review.rows import Row

if TYPE_CHECKING:
    from pytestqt.modeltest import ModelTester

COUNT = 60


def rows() -> list[Row]:
    case: Any = SimpleNamespace(id="a", case=SimpleNamespace(name="a"))
    regions = (
        ReviewRegion(n, ((0, 1),) * 3, (n % 7, 0, 0), n, n * 2.5, "mm³", 1 + n % 2, 0.5, 1.0, 1 / n, 1 / n**2)
        for n in range(1, COUNT + 1)
    )
    return [
        Row(case, region, "open", rank, f"label {region.label}", region.centre[0])
        for rank, region in enumerate(regions, start=1)
    ]


@pytest.fixture
def model() -> QueueModel:
    model = QueueModel()
    model.set_rows(rows())
    return model


def test_qt_finds_nothing_wrong(model: QueueModel, qtmodeltester: ModelTester) -> None:
    qtmodeltester.check(model)


def test_columns_sort_by_their_numbers(model: QueueModel) -> None:
    model.sort(4, Qt.SortOrder.DescendingOrder)
    assert [row.region.size for row in model.shown] == sorted((row.region.size for row in model.shown), reverse=True)
    model.sort(5)
    assert [row.plane for row in model.shown] == sorted(row.plane for row in model.shown)
    model.sort(-1)
    assert [row.rank for row in model.shown] == list(range(1, COUNT + 1))
    assert model.data(model.index(4, 4)) == "12.5 mm³"
    assert model.data(model.index(4, 6)) == "+0.2000"


def test_filters_join(model: QueueModel) -> None:
    for row in model.shown[:10]:
        row.state = "accepted"
    model.shown[20].state = "flagged"
    model.set_filter(Filter(state=LEFT, label="label 1", smallest=100))
    assert [row.rank for row in model.shown] == list(range(40, COUNT + 1, 2))
    model.set_filter(Filter(state="flagged"))
    assert [row.rank for row in model.shown] == [21]


def test_the_row_where_the_user_is_stays_until_he_leaves_it(model: QueueModel) -> None:
    model.set_filter(Filter(state="open"))
    here, there = model.shown[3], model.shown[4]
    model.keep(here)
    here.state = "corrected"
    model.update_row(here)
    assert model.shown[3] is here
    model.keep(there)
    assert here not in model.shown
    assert model.shown[3] is there
