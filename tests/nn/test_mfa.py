from __future__ import annotations

import pytest
import torch

from napari_medfreq.nn.mfa import ModalityAdapter
from napari_medfreq.nn.mit import MiTConfig, MixTransformer

CONFIG = MiTConfig("b0", drop_path=0.0)


@pytest.mark.parametrize("ratio", [1, 2, 4, 8])
def test_adapters_start_as_identity(ratio: int) -> None:
    encoder = MixTransformer(CONFIG).eval()
    adapter = ModalityAdapter(CONFIG.widths, CONFIG.depths, ratio)
    image = torch.rand(1, 3, 40, 56)
    prompts = [torch.randn(1, *m.shape[-2:], m.shape[1] // ratio) for m in encoder(image)]
    adapted = encoder(image, lambda stage, embedding: adapter(stage, embedding, prompts[stage]))
    assert all(torch.equal(a, b) for a, b in zip(adapted, encoder(image), strict=True))


def test_the_prompt_of_a_block_is_the_published_equation() -> None:
    adapter = ModalityAdapter(CONFIG.widths, CONFIG.depths, 4)
    torch.nn.init.normal_(adapter.up[1].weight)
    embedding, tokens, frequency = torch.randn(1, 5, 6, 64), torch.randn(1, 5, 6, 64), torch.randn(1, 5, 6, 16)
    for block in range(2):
        hidden = adapter.block[1][block](adapter.embed[1](embedding) + frequency)
        expected = tokens + adapter.up[1](torch.nn.functional.gelu(hidden))
        assert torch.equal(adapter(1, embedding, frequency)(block, tokens), expected)
    assert not torch.equal(adapter(1, embedding, None)(0, tokens), adapter(1, embedding, frequency)(0, tokens))


def test_a_higher_ratio_means_fewer_parameters() -> None:
    counts = [
        sum(p.numel() for p in ModalityAdapter(CONFIG.widths, CONFIG.depths, ratio).parameters())
        for ratio in (1, 2, 4, 8)
    ]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 10 * counts[-1]


@pytest.mark.parametrize("ratio", [0, 3, 16])
def test_other_ratios_are_refused(ratio: int) -> None:
    with pytest.raises(ValueError, match="must be 1, 2, 4 or 8"):
        ModalityAdapter(CONFIG.widths, CONFIG.depths, ratio)
