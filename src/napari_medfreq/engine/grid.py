"""Between the pixels of a plane and the pixels that a model wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch.nn import functional

from napari_medfreq.engine.monte_carlo import probabilities, to_logits
from napari_medfreq.engine.tiling import STRIDE
from napari_medfreq.nn.inputs import MULTIPLE, pad, resample_size, resize

if TYPE_CHECKING:
    from torch import Tensor

    from napari_medfreq.engine.slices import Planes
    from napari_medfreq.io.models import InputSpec


@dataclass(frozen=True)
class Grid:
    """The way from planes of `native` pixels to images of `working` pixels, and back.

    Attributes
    ----------
    native, working : tuple of int
        Height and width of a plane, and of what the model sees of it before padding.
    """

    native: tuple[int, int]
    working: tuple[int, int]

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width of what the model sees: multiples of 32."""
        height, width = (-(-side // MULTIPLE) * MULTIPLE for side in self.working)
        return height, width

    def to_working(self, planes: Tensor) -> Tensor:
        r"""Return (N, C, \*padded) for (N, C, \\*native)."""
        return pad(resize(planes, self.working))

    def to_native(self, mean: Tensor) -> Tensor:
        r"""Return probabilities (N, K, \*native) for those at a quarter of the padded resolution."""
        scale = float(STRIDE)
        logits = functional.interpolate(to_logits(mean), scale_factor=scale, mode="bilinear", align_corners=False)
        height, width = self.working
        return resize(probabilities(logits[..., :height, :width]), self.native)


def grid_for(planes: Planes, spec: InputSpec) -> Grid:
    """Return the grid that `spec` asks for: a square of its size, or its pixel spacing."""
    if spec.spacing is None:
        return Grid(planes.shape, (spec.size, spec.size))
    return Grid(planes.shape, resample_size(planes.shape, planes.spacing, spec.spacing))
