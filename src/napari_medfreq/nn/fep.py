"""The frequency enhancement prompt (FEP): what the image holds at high frequencies, as a feature map for every stage.

The contourlet transform of the image's luminance gives the *frequency image* (everything but the low-pass part) and
the *subband stack* (magnitudes of the directional bands at a quarter of the resolution). The frequency image passes a
chain of overlapping patch embeddings, one a stage; the subband stack is projected and added to the first of them.
``fft`` and ``wavelet`` replace the frequency image by a high-pass of that kind and have no subband stack.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_medfreq.nn.mit import PatchEmbedding
from napari_medfreq.transforms.contourlet import Contourlet
from napari_medfreq.transforms.fourier import fourier_detail
from napari_medfreq.transforms.wavelet import wavelet_detail

Prompt = Literal["contourlet", "fft", "wavelet"]

_PATCHES = ((7, 4), (3, 2), (3, 2), (3, 2))


class FrequencyPrompt(nn.Module):
    """Frequency feature maps for the adapters.

    Parameters
    ----------
    ranks : list of int
        Channels of the maps, one entry a stage (the encoder's width over the adapter ratio).
    kind : {"contourlet", "fft", "wavelet"}
        Where the frequencies come from.
    levels : tuple of int
        Directional levels of the contourlet, coarse to fine.
    """

    def __init__(self, ranks: list[int], kind: Prompt = "contourlet", levels: tuple[int, ...] = (2, 3)) -> None:
        super().__init__()
        if kind not in ("contourlet", "fft", "wavelet"):
            raise ValueError(f"prompt {kind!r} is not one of contourlet, fft, wavelet")
        self.kind = kind
        self.contourlet = Contourlet(levels, pyramid="9-7", directional="pkva")
        channels = [1, *ranks[:-1]]
        self.embeddings = nn.ModuleList(
            PatchEmbedding(c, rank, *patch) for c, rank, patch in zip(channels, ranks, _PATCHES, strict=True)
        )
        bands = sum(max(2**level, 1) for level in levels)
        self.subbands = nn.Conv2d(bands, ranks[0], 1) if kind == "contourlet" else None

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the maps (N, h_s, w_s, rank_s) for an image (N, C, H, W)."""
        detail, bands = self.frequencies(image)
        maps = []
        for index, embedding in enumerate(self.embeddings):
            tokens = embedding(detail)
            if index == 0 and self.subbands is not None and bands is not None:
                resized = functional.interpolate(bands, size=tokens.shape[1:3], mode="bilinear", align_corners=False)
                tokens = tokens + self.subbands(resized.to(self.subbands.weight.dtype)).permute(0, 2, 3, 1)
            maps.append(tokens)
            detail = tokens.permute(0, 3, 1, 2)
        return maps

    def frequencies(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the frequency image (N, 1, H, W) and the subband stack (N, bands, H/4, W/4) of the luminance."""
        # Fourier transforms know no half precision; nothing before this holds a parameter.
        with torch.autocast(image.device.type, enabled=False):
            luminance = image.float().mean(dim=1, keepdim=True)
            if self.kind == "fft":
                return fourier_detail(luminance), None
            if self.kind == "wavelet":
                return wavelet_detail(luminance), None
            size = [-(-length // 4) for length in image.shape[-2:]]
            bands = self.contourlet(luminance)
            stack = [
                functional.interpolate(half[:, 0].abs(), size=size, mode="bilinear", align_corners=False)
                for scale in bands.scales
                for half in scale
                if half.shape[-3]
            ]
            return self.contourlet.detail(luminance), torch.cat(stack, dim=1)
