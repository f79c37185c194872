from __future__ import annotations

import torch

from napari_medfreq.nn.dropout import draw_masks


def test_the_head_draws_the_same_whether_or_not_the_decoder_draws() -> None:
    plain = draw_masks(20, 3, 16, head=0.2, decoder=0.0)
    both = draw_masks(20, 3, 16, head=0.2, decoder=0.5)
    assert plain.decoder is None
    assert both.decoder is not None
    assert torch.equal(plain.head, both.head)
    assert both.decoder.shape == (4, 4, 16)
    assert set(both.decoder.unique().tolist()) == {0.0, 2.0}


def test_every_pass_belongs_to_one_draw_of_the_decoder() -> None:
    for passes in (1, 4, 5, 6, 20, 23):
        masks = draw_masks(passes, 0, 8, head=0.2, decoder=0.2)
        assert masks.decoder is not None
        groups = masks.groups()
        assert len(groups) == len(masks.decoder)
        assert torch.equal(torch.cat(groups), masks.head)
        assert max(map(len, groups)) <= 5
