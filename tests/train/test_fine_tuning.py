from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from lightning.fabric import Fabric

from napari_medfreq.errors import DatasetError
from napari_medfreq.nn.mmsnet import MMSNet, MMSNetConfig
from napari_medfreq.train import runs
from napari_medfreq.train.config import AugmentConfig
from napari_medfreq.train.fine_tuning import LearnConfig, Mixed, fine_tune
from napari_medfreq.train.packing import Packed
from napari_medfreq.train.samples import Samples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

QUICK = LearnConfig(steps=6, batch=4, rate=1e-3)


def squares(count: int, value: int) -> Packed:
    rng = np.random.default_rng(value)
    images = rng.integers(0, 60, (count, 3, 32, 32), np.uint8)
    masks = np.zeros((count, 32, 32), np.uint8)
    masks[:, 8:20, 10:24] = 1
    images[:, :, 8:20, 10:24] = value
    return Packed(images, masks, np.arange(count, dtype=np.int32))


def fresh() -> MMSNet:
    torch.manual_seed(0)
    return MMSNet(MMSNetConfig(width=16, scales=1, frequencies=2, levels=(2,), adapter_ratio=8, drop_path=0.1))


def tuned(
    folder: Path,
    config: LearnConfig = QUICK,
    earlier: Packed | None = None,
    stop: Callable[[], bool] = lambda: False,
    network: MMSNet | None = None,
) -> dict[str, torch.Tensor] | None:
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    fabric = Fabric(accelerator="cpu", devices=1, precision="32-true")
    torch.manual_seed(1)
    return fine_tune(network or fresh(), squares(3, 200), earlier, config, folder, fabric, lambda _: None, stop)


def test_adapters_prompt_and_decoder_move_and_the_encoder_stays(tmp_path: Path) -> None:
    old, new = fresh().state_dict(), tuned(tmp_path)
    assert new is not None
    moved = {name for name in old if not torch.equal(old[name], new[name])}
    assert {name.partition(".")[0] for name in moved} == {
        "adapter",
        "prompt",
        "project",
        "smooth",
        "guide",
        "classify",
        "deep_regions",
        "boundaries",
    }
    assert not any("running_" in name for name in moved)


def test_half_of_the_samples_are_earlier_ones() -> None:
    still = AugmentConfig(0, 0, 0, 0, False, False, 0, 0, 0, 0, 0)
    mixed = Mixed(Samples(squares(2, 200), still, 0), Samples(squares(5, 100), still, 0))
    brightest = [round(float(mixed[n][0].max() * 255)) for n in range(12)]
    assert brightest == [200, 100] * 6
    alone = Mixed(Samples(squares(2, 200), still, 0), None)
    assert {round(float(alone[n][0].max() * 255)) for n in range(4)} == {200}


def test_a_stopped_run_goes_on_to_the_same_end(tmp_path: Path) -> None:
    whole = tuned(tmp_path / "whole", earlier=squares(4, 100))
    answers = iter([False, False, True])
    assert tuned(tmp_path / "parts", earlier=squares(4, 100), stop=lambda: next(answers)) is None
    assert runs.load_checkpoint(tmp_path / "parts", "last")["samples"] == 12  # type: ignore[index]
    rest = tuned(tmp_path / "parts", earlier=squares(4, 100))
    assert whole is not None
    assert rest is not None
    assert all(torch.equal(whole[name], rest[name]) for name in whole)
    log = (tmp_path / "parts" / "events.jsonl").read_text().splitlines()
    assert len(log) == 1


def test_an_anchor_keeps_the_weights_near(tmp_path: Path) -> None:
    def distance(anchor: float) -> float:
        new, old = tuned(tmp_path / str(anchor), LearnConfig(6, 4, anchor=anchor)), fresh().state_dict()
        assert new is not None
        return float(sum((new[name] - old[name]).square().sum() for name in old if old[name].is_floating_point()))

    assert distance(100.0) < 0.5 * distance(0.0)


def test_settings_that_do_nothing_are_refused() -> None:
    for wrong in ({"steps": 0}, {"batch": 1}, {"rate": 0.0}):
        with pytest.raises(DatasetError, match="learning needs at least one step"):
            LearnConfig(**wrong)  # type: ignore[arg-type]
