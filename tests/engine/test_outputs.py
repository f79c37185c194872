from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_medfreq.engine.outputs import Outputs
from napari_medfreq.engine.preprocess import prepare
from napari_medfreq.engine.slices import cut
from napari_medfreq.io.models import InputSpec, LabelName
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from napari_medfreq.io.models import ModelFolder

SPEC = InputSpec(("t1",), normalisation="percentile")
ONE = (LabelName(7, "lesion", "#ffffff"),)
TWO = (LabelName(1, "a", "#ffffff"), LabelName(4, "b", "#000000"))
RNG = np.random.default_rng(0)


def test_one_label_is_decided_by_the_threshold(sink: Any) -> None:
    volume = Volume(RNG.random((1, 3)), axes="yx")
    prepared = prepare(volume, SPEC)
    outputs = Outputs.allocate(sink, volume, prepared, ONE, uncertain=True)
    outputs.write(sink, cut(volume, prepared), 0, torch.tensor([0.25, 0.5, 0.75]).reshape(1, 1, 1, 3), 0.5)
    assert outputs.labels.tolist() == [[0, 7, 7]]
    assert outputs.probability.tolist() == [[0.25, 0.5, 0.75]]
    assert outputs.uncertainty is not None
    assert outputs.uncertainty[0, 1] == 1.0
    assert {name for name, _ in sink.regions} == {"labels", "probability", "uncertainty"}


def test_of_several_labels_the_most_probable_wins_under_its_value(sink: Any) -> None:
    volume = Volume(RNG.random((1, 3)), axes="yx")
    prepared = prepare(volume, SPEC)
    outputs = Outputs.allocate(sink, volume, prepared, TWO, uncertain=False)
    mean = torch.tensor([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.125, 0.375, 0.5]]).T.reshape(1, 3, 1, 3)
    outputs.write(sink, cut(volume, prepared), 0, mean, 0.5)
    assert outputs.labels.tolist() == [[0, 1, 4]]
    assert outputs.probability.shape == (2, 1, 3)
    assert outputs.probability[1].tolist() == [[0.25, 0.25, 0.5]]
    assert "uncertainty" not in sink.arrays


def test_a_film_keeps_the_probability_of_any_label(sink: Any) -> None:
    volume = Volume(RNG.random((2, 1, 2)), axes="tyx")
    prepared = prepare(volume, SPEC)
    outputs = Outputs.allocate(sink, volume, prepared, TWO, uncertain=False)
    outputs.write(sink, cut(volume, prepared), 0, torch.tensor([0.5, 0.25, 0.25]).expand(2, 1, 2, 3).movedim(3, 1), 0.5)
    assert outputs.probability.shape == (2, 1, 2)
    assert (outputs.probability == 0.5).all()


@pytest.mark.parametrize("axes", ["yx", "zyx", "tzyx"])
def test_results_lie_on_the_grid_of_their_source(axes: str, sink: Any, volume_model: ModelFolder) -> None:
    shape = (2, 3, 4, 5)[-len(axes) :]
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    volume = Volume(RNG.random(shape), affine, axes, name="scan", header={"kept": 1})  # type: ignore[arg-type]
    outputs = Outputs.allocate(sink, volume, prepare(volume, SPEC), TWO, uncertain=True)
    result = outputs.result(volume, volume_model, (), {})
    assert result.uncertainty is not None
    for part in (result.labels, result.uncertainty):
        assert part.axes == axes
        assert part.data.shape == shape
        assert np.array_equal(part.affine, affine)
        assert part.header == {"kept": 1}
    assert result.labels.kind == "labels"
    assert result.labels.name == "scan · Test model"
    assert result.probability.axes == ("tzyx" if axes == "tzyx" else f"c{axes}")
    assert result.probability.channels == (() if axes == "tzyx" else ("a", "b"))
    assert result.labels.data is sink.arrays["labels"]
