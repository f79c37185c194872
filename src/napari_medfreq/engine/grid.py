"""Between the pixels of a plane and the pixels that a model wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch.nn import functional

from napari_medfreq.engine.tiling import STRIDE
from napari_medfreq.engine.uncertainty import probabilities, to_logits
from napari_medfreq.nn.inputs import MULTIPLE, pad, padded_size, resample_size, resize

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
    least : int
        Side of the smallest image that the model sees; a multiple of 32.
    """

    native: tuple[int, int]
    working: tuple[int, int]
    least: int = 0

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width of what the model sees: multiples of 32."""
        return padded_size(self.working, self.least)

    def to_working(self, planes: Tensor) -> Tensor:
        r"""Return (N, C, \*padded) for (N, C, \\*native)."""
        return pad(resize(planes, self.working), self.padded)

    def to_native(self, mean: Tensor) -> Tensor:
        r"""Return probabilities (N, K, \*native) for those at a quarter of the padded resolution."""
        scale = float(STRIDE)
        logits = functional.interpolate(to_logits(mean), scale_factor=scale, mode="bilinear", align_corners=False)
        height, width = self.working
        return resize(probabilities(logits[..., :height, :width]), self.native)

    def enlarge(self, values: Tensor) -> Tensor:
        r"""Return values (N, C, \*native) for those at a quarter of the padded resolution, bilinear."""
        scale = float(STRIDE)
        large = functional.interpolate(values, scale_factor=scale, mode="bilinear", align_corners=False)
        height, width = self.working
        return resize(large[..., :height, :width], self.native)


def grid_for(planes: Planes, spec: InputSpec) -> Grid:
    """Return the grid that `spec` asks for: a square of its size, or its pixel spacing.

    With a spacing, planes are padded to the canvas on which the model was trained: it looks at the whole image, so a
    smaller one would look different to it.
    """
    if spec.spacing is None:
        return Grid(planes.shape, (spec.size, spec.size))
    canvas = spec.size // MULTIPLE * MULTIPLE
    return Grid(planes.shape, resample_size(planes.shape, planes.spacing, spec.spacing), canvas)
