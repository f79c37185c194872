from __future__ import annotations

import pytest
import torch

from napari_medfreq.transforms.masks import MaskCache, pyramid_masks, wedge_masks

LIKE = torch.zeros(1, dtype=torch.complex128)


def test_a_cache_gives_what_it_has_and_drops_what_was_not_used() -> None:
    cache, built = MaskCache(limit=200), []

    def get(key: str) -> None:
        cache.get(key, lambda: (built.append(key), (torch.zeros(10, dtype=torch.float64),))[1])

    for key in ("a", "b", "a", "c", "a", "b"):
        get(key)
    assert built == ["a", "b", "c", "b"]  # "b" was used longest ago when "c" came
    assert cache.nbytes == 160


def test_a_cache_never_outgrows_its_limit() -> None:
    cache = MaskCache(limit=100)
    (mask,) = cache.get("large", lambda: (torch.zeros(1000),))
    assert mask.shape == (1000,)
    assert cache.nbytes == 0


def test_masks_made_in_inference_mode_serve_outside_it() -> None:
    cache = MaskCache(limit=1000)
    with torch.inference_mode():
        (mask,) = cache.get("key", lambda: (torch.zeros(10),))
    assert not mask.is_inference()


@pytest.mark.parametrize("name", ["9-7", "5-3", "haar", "meyer"])
def test_what_the_pyramid_decimates_and_interpolates_stays_as_it_was(name: str) -> None:
    analysis, synthesis = pyramid_masks((16, 24), name, torch.complex128, torch.device("cpu"))  # type: ignore[arg-type]
    assert analysis.shape == (4, 8, 12)
    assert torch.allclose((analysis * synthesis).sum(dim=0), torch.ones((), dtype=torch.complex128), atol=1e-10)


@pytest.mark.parametrize("name", ["pkva", "haar", "meyer"])
@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_packed_pairs_add_up_to_the_identity(level: int, name: str) -> None:
    # (A1 + i A2)(S1 - i S2) holds A1 S1 + A2 S2, which all wedges together make 1; the rest is i times a real filter.
    total = torch.zeros(32, 48, dtype=torch.complex128)
    shapes = []
    for (analysis, step), (synthesis, _) in zip(
        wedge_masks((32, 48), level, name, False, LIKE),  # type: ignore[arg-type]
        wedge_masks((32, 48), level, name, True, LIKE),  # type: ignore[arg-type]
        strict=True,
    ):
        shapes.append((step, tuple(analysis.shape)))
        products = (analysis * synthesis).sum(dim=1)
        total += products.reshape(*step, *products.shape[1:]).movedim(2, 1).reshape(32, 48)
    mirrored = total.conj().roll((-1, -1), (0, 1)).flip(0, 1)
    assert torch.allclose((total + mirrored) / 2, torch.ones_like(total), atol=1e-12)
    far, pairs = max(2 ** (level - 1), 2), max(2 ** (level - 2), 1)
    assert shapes[0] == ((2, far), (2 * far, pairs, 16, 48 // far))
    assert shapes[1] == ((far, 2), (2 * far, pairs, 32 // far, 24))
