"""The arrays that a segmentation fills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from napari_medfreq.engine.options import Region, Segmentation
from napari_medfreq.engine.uncertainty import entropy
from napari_medfreq.nn.agreement import expected_dice

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from torch import Tensor

    from napari_medfreq.engine.options import Sink
    from napari_medfreq.engine.preprocess import Prepared
    from napari_medfreq.engine.slices import Planes
    from napari_medfreq.io.model_config import Calibration
    from napari_medfreq.io.models import LabelName, ModelFolder
    from napari_medfreq.volume import Axes, Volume


@dataclass(frozen=True)
class Outputs:
    """Mask, probability and uncertainty on the grid of the source, as `Segmentation` describes them.

    Attributes
    ----------
    names : tuple of LabelName
        The labels, in the order of the network's outputs.
    axes : str
        Of `labels` and `uncertainty`.
    """

    names: tuple[LabelName, ...]
    axes: str
    labels: npt.NDArray[np.uint8]
    probability: npt.NDArray[np.float16]
    uncertainty: npt.NDArray[np.float16] | None

    @classmethod
    def allocate(
        cls, sink: Sink, volume: Volume, prepared: Prepared, names: tuple[LabelName, ...], *, uncertain: bool
    ) -> Outputs:
        """Ask `sink` for the arrays that the results of `volume` need."""
        lead = prepared.lead
        shape = (len(prepared.data), *volume.spatial_shape) if lead else volume.spatial_shape
        each = (len(names), *shape) if len(names) > 1 and not lead else shape
        return cls(
            names=names,
            axes=lead + volume.spatial_axes,
            labels=cast("npt.NDArray[np.uint8]", sink.allocate("labels", shape, "uint8")),
            probability=cast("npt.NDArray[np.float16]", sink.allocate("probability", each, "float16")),
            uncertainty=cast("npt.NDArray[np.float16]", sink.allocate("uncertainty", shape, "float16"))
            if uncertain
            else None,
        )

    def write(
        self,
        sink: Sink,
        planes: Planes,
        start: int,
        mean: Tensor,
        threshold: float,
        spread: Tensor | None = None,
    ) -> None:
        """Write the probabilities `mean`, (N, K, H, W), of the planes from `start` on and tell `sink` where.

        The uncertainty is `spread`, (N, 1, H, W), or else the entropy of `mean`.
        """
        values: dict[str, Tensor] = {
            "labels": decide(mean, self.names, threshold)[:, None],
            "probability": self._foreground(mean).half(),
        }
        if self.uncertainty is not None:
            values["uncertainty"] = (entropy(mean)[:, None] if spread is None else spread).half()
        for name, tensor in values.items():
            array: npt.NDArray[Any] = getattr(self, name)
            for region in planes.write(array, start, start + len(mean), tensor.cpu().numpy()):
                sink.partial(name, region)

    def announce(self, sink: Sink) -> None:
        """Tell `sink` that the arrays are right as they are: nothing was found."""
        for name in ("labels", "probability", "uncertainty"):
            array: npt.NDArray[Any] | None = getattr(self, name)
            if array is not None:
                sink.partial(name, tuple((0, length) for length in array.shape))
        sink.progress(1, 1, "nothing to segment")

    def result(
        self, source: Volume, model: ModelFolder, regions: tuple[Region, ...], provenance: dict[str, Any]
    ) -> Segmentation:
        """Return the arrays as volumes on the grid of `source`."""
        name = f"{source.name} · {model.title}"
        axes = cast("Axes", self.axes)
        channels = source.channels if self.axes[0] == "c" and len(source.channels) == len(self.labels) else ()
        many = self.probability.ndim > self.labels.ndim
        return Segmentation(
            labels=source.like(self.labels, axes=axes, channels=channels, kind="labels", name=name),
            probability=source.like(
                self.probability,
                axes=cast("Axes", f"c{self.axes}") if many else axes,
                channels=tuple(label.name for label in self.names) if many else channels,
                kind="probability",
                name=f"{name} · probability",
            ),
            uncertainty=None
            if self.uncertainty is None
            else source.like(
                self.uncertainty, axes=axes, channels=channels, kind="uncertainty", name=f"{name} · uncertainty"
            ),
            regions=regions,
            provenance=provenance,
            expected_dice=self._expected_dice(model.calibration),
            expected_dice_error=None if model.calibration is None else model.calibration.dice_error,
        )

    def _expected_dice(self, calibration: Calibration | None) -> float | None:
        if calibration is None or calibration.dice_error is None:
            return None
        values = [label.value for label in self.names]
        share = float(np.mean(self.labels > 0))
        temperature = calibration.dice_temperature / calibration.temperature_for(share)
        line = {"temperature": temperature, "offset": calibration.dice_offset, "slope": calibration.dice_slope}
        return expected_dice(self.labels, self.probability, values, **line)

    def _foreground(self, mean: Tensor) -> Tensor:
        """Return the probability of the label, of each label, or of any label, as the array has room for."""
        if mean.shape[1] == 1:
            return mean
        return mean[:, 1:] if self.probability.ndim > self.labels.ndim else 1 - mean[:, :1]


def decide(mean: Tensor, names: Sequence[LabelName], threshold: float) -> Tensor:
    """Return the mask (N, H, W), uint8, for probabilities (N, K, H, W) of `names`."""
    if mean.shape[1] == 1:
        return (mean[:, 0] >= threshold).to(torch.uint8) * names[0].value
    values = torch.tensor([0, *(name.value for name in names)], dtype=torch.uint8, device=mean.device)
    return values[mean.argmax(dim=1)]
