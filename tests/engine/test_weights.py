from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_medfreq.engine.weights import load_network
from napari_medfreq.errors import ModelError
from napari_medfreq.io.models import LabelName, ModelFolder, write_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def rewritten(rgb_model: ModelFolder, tmp_path: Path) -> Callable[..., ModelFolder]:
    """Return what writes the model anew with other weights or another description."""

    def rewrite(
        change: Callable[[dict[str, torch.Tensor]], object] = lambda state: None, **fields: object
    ) -> ModelFolder:
        state = load_file(rgb_model.weights)
        change(state)
        draft = replace(rgb_model, path=tmp_path / "changed", **fields)  # type: ignore[arg-type]
        return write_model(draft, lambda path: save_file(state, path))

    return rewrite


def test_the_network_is_ready_to_use(rgb_model: ModelFolder) -> None:
    network = load_network(rgb_model)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    state = load_file(rgb_model.weights)
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


def test_half_precision_files_are_widened(rewritten: Callable[..., ModelFolder]) -> None:
    def halve(state: dict[str, torch.Tensor]) -> None:
        for name, tensor in state.items():
            state[name] = tensor.half() if tensor.is_floating_point() else tensor

    network = load_network(rewritten(halve))
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("classify.bias"), r"1 tensors are missing \(the first is classify.bias"),
        (lambda state: state.update(extra=torch.zeros(1)), "1 are unknown"),
        (lambda state: state.update({"classify.bias": torch.zeros(9)}), "1 have another size"),
        (lambda state: state["classify.bias"].fill_(torch.nan), "hold NaN"),
    ],
    ids=["missing", "unknown", "size", "nan"],
)
def test_weights_that_do_not_fit_are_refused(
    rewritten: Callable[..., ModelFolder], change: Callable[[dict[str, torch.Tensor]], object], words: str
) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        load_network(rewritten(change))
    assert "weights.safetensors" in str(caught.value)


def test_a_description_that_contradicts_itself_is_refused(
    rewritten: Callable[..., ModelFolder], rgb_model: ModelFolder
) -> None:
    with pytest.raises(ModelError, match=r"sees 3 channels, the input describes 9"):
        load_network(rewritten(input=replace(rgb_model.input, slices=3)))
    with pytest.raises(ModelError, match=r"finds 1 labels, but 2 are named"):
        load_network(rewritten(labels=(*rgb_model.labels, LabelName(2, "more", "#ffffff"))))
    with pytest.raises(ModelError, match=r"cannot be built: unknown settings of MMSNet: depth"):
        load_network(rewritten(network={**rgb_model.network, "depth": 3}))


def test_changed_weights_are_not_even_loaded(rewritten: Callable[..., ModelFolder]) -> None:
    model = rewritten()
    content = bytearray(model.weights.read_bytes())
    content[-1] ^= 1
    model.weights.write_bytes(content)
    with pytest.raises(ModelError, match="do not have the hash"):
        load_network(model)
