from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_medfreq.errors import DatasetError
from napari_medfreq.train import runs
from napari_medfreq.train.loop import train, validate
from napari_medfreq.train.packing import Packed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = (folder / runs.EVENTS).read_text(encoding="utf-8").splitlines()
    return [event for event in map(json.loads, lines) if event["kind"] == kind]


def stop_after(steps: int) -> Callable[[], bool]:
    count = iter(range(1, 10**6))
    return lambda: next(count) >= steps


def test_a_run_of_two_stages_learns_and_tells_how(finished: Any) -> None:
    losses = [event["loss"] for event in events(finished.folder, "step")]
    assert losses[-1] < 0.8 * losses[0]
    validations = events(finished.folder, "validation")
    assert [event["samples"] for event in validations] == [48, 96, 144]
    assert validations[-1]["discs"] > 0.6
    assert events(finished.folder, "start")[0]["total"] == 144
    assert events(finished.folder, "end")[0]["samples"] == 144
    assert sorted(p.name for p in (finished.folder / "checkpoints").iterdir()) == ["best.pt", "final.pt", "last.pt"]
    assert (finished.folder / "config.toml").read_bytes() == finished.config.read_bytes()
    assert json.loads((finished.folder / "provenance.json").read_text())["versions"]["torch"] == torch.__version__
    assert finished.reports[-1].samples == finished.reports[-1].total == 144


def test_a_finished_run_is_left_as_it_is(finished: Any) -> None:
    before = (finished.folder / "checkpoints" / "last.pt").stat().st_mtime_ns
    train(finished.config, finished.folder, finished.data, accelerator="cpu")
    assert (finished.folder / "checkpoints" / "last.pt").stat().st_mtime_ns == before


def test_a_run_that_was_stopped_twice_ends_like_one_that_was_not(
    tmp_path: Path, drawings: Path, config_text: Callable[..., str]
) -> None:
    config = tmp_path / "discs.toml"
    config.write_text(config_text())
    whole = train(config, tmp_path / "whole", drawings, accelerator="cpu")
    parted = tmp_path / "parted"
    train(config, parted, drawings, accelerator="cpu", stop=stop_after(2))
    assert [event["samples"] for event in events(parted, "stop")] == [8]
    assert runs.load_checkpoint(parted, "final") is None
    train(config, parted, drawings, accelerator="cpu", stop=stop_after(2))
    train(config, parted, drawings, accelerator="cpu")
    one, other = (runs.load_checkpoint(folder, "last") for folder in (whole, parted))
    assert one is not None
    assert other is not None
    assert one["samples"] == other["samples"] == 20
    assert torch.equal(one["random"], other["random"])
    for part in ("network", "average"):
        for name, tensor in one[part].items():
            assert torch.equal(tensor, other[part][name]), f"{part} {name}"
    assert events(whole, "validation")[-1]["mean"] == events(parted, "validation")[-1]["mean"]


def test_the_baseline_trains_in_the_same_loop(tmp_path: Path, drawings: Path, config_text: Callable[..., str]) -> None:
    config = tmp_path / "unet.toml"
    config.write_text(config_text(((32, 80),), architecture="monai-unet", every=80))
    folder = train(config, tmp_path / "run", drawings, accelerator="cpu")
    losses = [event["loss"] for event in events(folder, "step")]
    assert losses[-1] < losses[0]
    assert runs.load_checkpoint(folder, "final") is not None


def test_a_folder_with_a_run_of_another_config_is_refused(
    finished: Any, tmp_path: Path, config_text: Callable[..., str]
) -> None:
    other = tmp_path / "other.toml"
    other.write_text(config_text(ema=0.5))
    with pytest.raises(DatasetError, match="holds a run of another config"):
        train(other, finished.folder, finished.data, accelerator="cpu")


def test_sets_that_the_index_lacks_are_named(tmp_path: Path, drawings: Path, config_text: Callable[..., str]) -> None:
    config = tmp_path / "discs.toml"
    config.write_text(config_text().replace('"index.csv"', '"index.csv"\nsets = ["discs", "squares"]'))
    with pytest.raises(DatasetError, match="no set named squares"):
        train(config, tmp_path / "run", drawings, accelerator="cpu")
    assert not (tmp_path / "run").exists()


def test_too_few_groups_are_refused_before_the_run_starts(
    tmp_path: Path, drawings: Path, config_text: Callable[..., str]
) -> None:
    lines = (drawings / "index.csv").read_text().splitlines()
    (tmp_path / "index.csv").write_text("\n".join(lines[:2]))
    config = tmp_path / "discs.toml"
    config.write_text(config_text())
    with pytest.raises(DatasetError, match="no case falls to"):
        train(config, tmp_path / "run", tmp_path, accelerator="cpu")


class _Echo(torch.nn.Module):
    """Finds what is brighter than a half; with `classes`, what is brighter than each step."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if self.classes == 1:
            return image[:, :1] - 0.5
        centres = torch.linspace(0, 1, self.classes).view(1, -1, 1, 1)
        return -((image[:, :1] - centres) ** 2)


@pytest.mark.parametrize("classes", [1, 3])
def test_validation_gives_dice_by_set(classes: int) -> None:
    masks = torch.randint(0, 2 if classes == 1 else classes, (20, 8, 8), dtype=torch.uint8)
    top = 1 if classes == 1 else classes - 1
    images = (masks.float() / top * 255).round().to(torch.uint8)[:, None]
    masks[19] = 0  # the last picture shows what its truth does not have
    packed = Packed(images.numpy(), masks.numpy(), torch.arange(20, dtype=torch.int32).numpy())
    dice = validate(_Echo(classes), packed, ["seen"] * 19 + ["missed"], torch.device("cpu"))
    assert dice == {"seen": 1.0, "missed": 0.0}


def test_masks_of_one_label_may_hold_any_value() -> None:
    image = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    image[..., :4] = 255
    mask = (image[:, 0] > 0).to(torch.uint8) * 2
    packed = Packed(image.numpy(), mask.numpy(), torch.zeros(1, dtype=torch.int32).numpy())
    assert validate(_Echo(1), packed, ["one"], torch.device("cpu")) == {"one": 1.0}
