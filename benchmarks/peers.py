"""Image transforms, ours and those that pip can install, all behind one face: analyse and synthesise.

Those of others are optional (``pip install --group bench``). A transform that knows no batches is given plane by plane.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

LEVELS = (3, 3, 4)
NONSUBSAMPLED = (3, 4)  # 8 + 16 bands and the low-pass
_MODULES = {
    "UDCT of curvelets": "curvelets",
    "DTCWT of pytorch_wavelets": "pytorch_wavelets",
    "ptwt": "ptwt",
    "torch-dct": "torch_dct",
}


@dataclass(frozen=True)
class Codec:
    """A transform of images of one shape and its inverse."""

    analyse: Callable[[Any], Any]
    synthesise: Callable[[Any], Any]


def missing(name: str) -> bool:
    """Whether the peer is not installed."""
    return name in _MODULES and importlib.util.find_spec(_MODULES[name]) is None


def codec(name: str, shape: tuple[int, ...]) -> Codec:
    """Return the transform of that name for images of `shape`."""
    makers: dict[str, Callable[[tuple[int, ...]], Codec]] = {
        "UDCT of curvelets": _udct,
        "DTCWT of pytorch_wavelets": _dtcwt,
        "ptwt": _ptwt,
        "torch-dct": _torch_dct,
        "scipy DCT": _scipy_dct,
        "scipy 8x8 blocks": lambda shape: _scipy_blocks(shape, 8),
        "scipy 32x32 blocks": lambda shape: _scipy_blocks(shape, 32),
        "memory copy": _copy,
        "bare FFT": _fft,
        "bare FFTs of 25 bands": _ffts,
        "memory copy of 25 bands": lambda shape: _copy((25, *shape)),
    }
    return makers[name](shape) if name in makers else _ours(name)


def _ours(name: str) -> Codec:
    from napari_medfreq.transforms import DCT2, BlockDCT, Contourlet, NonsubsampledContourlet, Wavelet

    transform: Any = {
        "contourlet": Contourlet(LEVELS),
        "non-subsampled contourlet": NonsubsampledContourlet(NONSUBSAMPLED),
        "wavelet": Wavelet(),
        "DCT": DCT2(),
        "8x8 blocks": BlockDCT(8),
        "32x32 blocks": BlockDCT(32),
    }[name]
    return Codec(transform, transform.inverse)


def _udct(shape: tuple[int, ...]) -> Codec:
    import torch
    from curvelets.torch import UDCT

    transform = UDCT(shape[-2:], num_scales=3)
    return Codec(
        lambda image: [transform.forward(plane) for plane in image.reshape(-1, *shape[-2:])],
        lambda planes: torch.stack([transform.backward(bands) for bands in planes]).reshape(shape),
    )


def _dtcwt(shape: tuple[int, ...]) -> Codec:
    if "pkg_resources" not in sys.modules and importlib.util.find_spec("pkg_resources") is None:
        # The peer opens its filters by way of a module that setuptools no longer has.
        substitute = ModuleType("pkg_resources")
        substitute.resource_stream = _resource_stream  # type: ignore[attr-defined]
        sys.modules["pkg_resources"] = substitute
    from pytorch_wavelets import DTCWTForward, DTCWTInverse

    return Codec(DTCWTForward(J=3), DTCWTInverse())


def _resource_stream(package: str, name: str) -> Any:
    from importlib.resources import files

    return (files(package) / name).open("rb")


def _ptwt(shape: tuple[int, ...]) -> Codec:
    import ptwt

    # The same filters and scales as our wavelet.
    return Codec(
        lambda image: ptwt.wavedec2(image, "bior4.4", mode="symmetric", level=3),
        lambda bands: ptwt.waverec2(bands, "bior4.4"),
    )


def _torch_dct(shape: tuple[int, ...]) -> Codec:
    import torch_dct

    return Codec(lambda image: torch_dct.dct_2d(image, norm="ortho"), lambda c: torch_dct.idct_2d(c, norm="ortho"))


def _scipy_dct(shape: tuple[int, ...]) -> Codec:
    import scipy.fft

    options: dict[str, Any] = {"axes": (-2, -1), "norm": "ortho", "workers": 2}
    return Codec(lambda image: scipy.fft.dctn(image.numpy(), **options), lambda c: scipy.fft.idctn(c, **options))


def _scipy_blocks(shape: tuple[int, ...], side: int) -> Codec:
    import scipy.fft

    options: dict[str, Any] = {"axes": (-3, -1), "norm": "ortho", "workers": 2}
    split = (*shape[:-2], shape[-2] // side, side, shape[-1] // side, side)
    return Codec(
        lambda image: scipy.fft.dctn(image.numpy().reshape(split), **options),
        lambda c: scipy.fft.idctn(c, **options).reshape(shape),
    )


def _copy(shape: tuple[int, ...]) -> Codec:
    import torch

    source, target = torch.rand(shape), torch.empty(shape)
    return Codec(lambda image: target.copy_(source), lambda copy: copy)


def _fft(shape: tuple[int, ...]) -> Codec:
    import torch

    return Codec(torch.fft.rfft2, lambda spectrum: torch.fft.irfft2(spectrum, s=shape[-2:]))


def _ffts(shape: tuple[int, ...]) -> Codec:
    """One real FFT and as many complex ones as 25 bands need, two bands each, without masks and without results."""
    import torch

    spectrum = torch.fft.fft2(torch.rand(shape))
    return Codec(
        lambda image: (torch.fft.rfft2(image), *(torch.fft.ifft2(spectrum).numel() for _ in range(13))),
        lambda bands: bands,
    )


def leaves(coefficients: Any) -> Iterator[Tensor]:
    """Yield the tensors among coefficients."""
    import numpy as np
    import torch

    if isinstance(coefficients, np.ndarray):
        yield torch.from_numpy(coefficients)
    elif isinstance(coefficients, torch.Tensor):
        yield coefficients
    elif isinstance(coefficients, (list, tuple)):
        for part in coefficients:
            yield from leaves(part)
