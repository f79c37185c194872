from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from napari_medfreq.train.judging import Judge, Material, images_of
from napari_medfreq.train.packing import Packed

if TYPE_CHECKING:
    from pathlib import Path

    from napari_medfreq.nn.mmsnet import MMSNet


class Threshold(torch.nn.Module):
    """Marks what is brighter than its only weight."""

    def __init__(self) -> None:
        super().__init__()
        self.level = torch.nn.Parameter(torch.zeros(1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image[:, :1].float() - self.level


def grey(value: int, slices: int = 1) -> Packed:
    """One image, its left half of the brightness `value` and marked."""
    images = np.zeros((slices, 1, 8, 8), np.uint8)
    images[..., :4] = value
    return Packed(images, (images[:, 0] > 0).astype(np.uint8), np.zeros(slices, np.int32))


def test_weights_are_measured_and_what_a_share_was_chosen_by_is_written_down(tmp_path: Path) -> None:
    material = Material(grey(90), grey(90), grey(250), {"old": grey(250)}, {"old": grey(250, 3)})
    judge = Judge(material, cast("MMSNet", Threshold()), torch.device("cpu"))
    old, new = {"level": torch.tensor([0.5])}, {"level": torch.tensor([0.1])}
    assert judge.all(old) == (0.0, {"old": 1.0})
    assert judge.all(new) == (1.0, {"old": 1.0})
    assert judge.share(old, new, tmp_path) == 0.5  # 0.3 is the first level that 90 / 255 is above; more brings no more
    told = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [event["share"] for event in told] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert [event["held_out"] for event in told] == [0.0, 0.0, 1.0, 1.0, 1.0]
    held_out, earlier = judge.figures(judge.all(old), judge.all(new))
    assert (held_out.n, held_out.gain) == (1, 1.0)
    assert (earlier["old"].n, earlier["old"].gain) == (1, 0.0)
    assert images_of(None) == 0
