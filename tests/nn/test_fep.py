from __future__ import annotations

import pytest
import torch

from napari_medfreq.nn.fep import FrequencyPrompt

RANKS = [8, 16, 40, 64]


@pytest.mark.parametrize("kind", ["contourlet", "fft", "wavelet"])
@pytest.mark.parametrize("size", [(64, 64), (33, 47), (9, 70), (8, 8)])
def test_maps_fit_the_stages_of_the_encoder(kind: str, size: tuple[int, int]) -> None:
    prompt = FrequencyPrompt(RANKS, kind)  # type: ignore[arg-type]
    expected = size
    for feature, step, rank in zip(prompt(torch.rand(2, 3, *size)), (4, 2, 2, 2), RANKS, strict=True):
        expected = tuple(-(-length // step) for length in expected)
        assert feature.shape == (2, *expected, rank)


@pytest.mark.parametrize("kind", ["contourlet", "fft", "wavelet"])
def test_the_frequency_image_knows_nothing_of_brightness(kind: str) -> None:
    prompt = FrequencyPrompt(RANKS, kind)  # type: ignore[arg-type]
    image = torch.rand(1, 3, 64, 64)
    detail, bands = prompt.frequencies(image)
    brighter, brighter_bands = prompt.frequencies(image + 0.5)
    assert detail.shape == (1, 1, 64, 64)
    assert torch.allclose(detail, brighter, atol=1e-4)
    if kind == "contourlet":
        assert bands is not None
        assert brighter_bands is not None
        assert bands.shape == (1, 4 + 8, 16, 16)
        assert torch.allclose(bands, brighter_bands, atol=1e-4)
    else:
        assert bands is None
        assert prompt.subbands is None


def test_the_subbands_of_a_grating_light_up_in_its_direction() -> None:
    prompt = FrequencyPrompt(RANKS, "contourlet", (3,))
    columns = torch.arange(64.0).expand(64, 64)
    vertical, horizontal = prompt.contourlet.angles(3)
    for sign in (1, -1):
        image = torch.cos(2.6 * (columns + 0.25 * sign * columns.T))[None, None]
        _, bands = prompt.frequencies(image)
        assert bands is not None
        strongest = int(bands.mean(dim=(0, 2, 3)).argmax())
        assert [*vertical, *horizontal][strongest] == pytest.approx(14.0 * sign, abs=0.5)


def test_half_precision_outside_does_not_reach_the_transforms() -> None:
    prompt = FrequencyPrompt(RANKS)
    with torch.autocast("cpu", torch.bfloat16):
        detail, bands = prompt.frequencies(torch.rand(1, 3, 32, 32, dtype=torch.bfloat16))
    assert detail.dtype == torch.float32
    assert bands is not None
    assert bands.dtype == torch.float32


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(ValueError, match="'dct' is not one of contourlet, fft, wavelet"):
        FrequencyPrompt(RANKS, "dct")  # type: ignore[arg-type]
