from __future__ import annotations

import pytest
import torch

from napari_medfreq.transforms.lattice import Piece, add_unfolded, fold
from napari_medfreq.transforms.masks import MaskCache, pyramid_masks, steps, wedge_masks

LIKE = torch.zeros(1, dtype=torch.complex128)


def piece(count: int) -> Piece:
    return Piece(torch.zeros(1, 1, count, dtype=torch.float64), (slice(0, 1),) * 2, (slice(0, 1),) * 3)


def test_a_cache_gives_what_it_has_and_drops_what_was_not_used() -> None:
    cache = MaskCache(limit=200)
    built = []

    def get(key: str) -> None:
        def build() -> list[Piece]:
            built.append(key)
            return [piece(10)]

        cache.get(key, build)

    for key in ("a", "b", "a", "c", "a", "b"):
        get(key)
    assert built == ["a", "b", "c", "b"]  # "b" was used longest ago when "c" came
    assert cache.nbytes == 160


def test_a_cache_never_outgrows_its_limit() -> None:
    cache = MaskCache(limit=100)
    (large,) = cache.get("large", lambda: [piece(1000)])
    assert large.mask.shape == (1, 1, 1000)
    assert cache.nbytes == 0


def test_masks_made_in_inference_mode_serve_outside_it() -> None:
    cache = MaskCache(limit=1000)
    with torch.inference_mode():
        (made,) = cache.get("key", lambda: [piece(10)])
    assert not made.mask.is_inference()


@pytest.mark.parametrize("name", ["9-7", "5-3", "haar", "meyer"])
def test_what_the_pyramid_interpolates_it_decimates_to_what_it_was(name: str) -> None:
    low, wide = torch.randn(1, 8, 12, dtype=torch.complex128), torch.zeros(16, 24, dtype=torch.complex128)
    add_unfolded(wide, low, pyramid_masks((16, 24), name, True, LIKE))  # type: ignore[arg-type]
    back = fold(wide, pyramid_masks((16, 24), name, False, LIKE), (1, 8, 12))  # type: ignore[arg-type]
    assert torch.allclose(back, low, atol=1e-10)


@pytest.mark.parametrize("name", ["pkva", "haar", "meyer"])
@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_packed_pairs_give_the_image_back_as_a_real_part(level: int, name: str) -> None:
    image = torch.randn(32, 48, dtype=torch.float64)
    spectrum = torch.fft.fft2(image, norm="ortho")
    total = torch.zeros_like(spectrum)
    analysis, synthesis = (wedge_masks((32, 48), level, name, way, LIKE) for way in (False, True))  # type: ignore[arg-type]
    for vertical, there, back in zip((True, False), analysis, synthesis, strict=True):
        step = steps(level, vertical=vertical)
        assert step == ((2, max(2 ** (level - 1), 2)) if vertical else (max(2 ** (level - 1), 2), 2))
        add_unfolded(total, fold(spectrum, there, (max(2 ** (level - 2), 1), 32 // step[0], 48 // step[1])), back)
    assert torch.allclose(torch.fft.ifft2(total, norm="ortho").real, image, atol=1e-12)
