from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from napari_medfreq.engine.anatomy import plane_of
from napari_medfreq.engine.frequencies.analysis import Frequencies
from napari_medfreq.engine.frequencies.coefficients import coefficients
from napari_medfreq.engine.frequencies.options import FrequencyOptions, Scope, TransformName
from napari_medfreq.engine.frequencies.transforms import transform_for
from napari_medfreq.volume import Axes, Volume


@pytest.mark.parametrize("name", ["contourlet", "nonsubsampled", "wavelet", "dct", "block-dct", "fourier"])
@pytest.mark.parametrize(
    ("axes", "shape", "scope"),
    [
        ("cyx", (3, 41, 50), "slice"),
        ("tzyx", (2, 4, 41, 50), "slice"),
        ("zyx", (16, 21, 24), "volume"),
    ],
)
def test_the_image_can_be_made_of_them(
    name: TransformName, axes: Axes, shape: tuple[int, ...], scope: Scope, sink: Any
) -> None:
    if scope == "volume" and name not in ("wavelet", "dct", "fourier"):
        return
    image = Volume(np.random.default_rng(0).normal(size=shape).astype(np.float32), axes=axes, calibrated=False)
    options = FrequencyOptions(name, levels=(2, 2), scales=2, scope=scope)
    found = coefficients(Frequencies(), image, options, sink)
    transform = transform_for(options, image if scope == "volume" else plane_of(image, "axial", 0))
    assert tuple(band.key for band in found.layout) == tuple(found.parts)
    assert found.shape == shape
    parts = {key: torch.from_numpy(part) for key, part in found.parts.items()}
    restored = transform.inverse(transform.join(parts, transform(torch.zeros(shape))))
    np.testing.assert_allclose(restored.numpy(), image.data, atol=1e-4)
