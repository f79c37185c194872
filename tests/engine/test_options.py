from __future__ import annotations

import pytest

from napari_medfreq.engine.options import LabelName, SegmentOptions
from napari_medfreq.errors import InputError
from napari_medfreq.io import models


@pytest.mark.parametrize("options", [{"passes": -1}, {"passes": 1001}, {"threshold": 0.0}, {"threshold": 1.0}])
def test_what_makes_no_sense_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(options))} must lie between"):
        SegmentOptions(**options)  # type: ignore[arg-type]


def test_labels_are_those_of_the_model_folder() -> None:
    assert LabelName is models.LabelName
