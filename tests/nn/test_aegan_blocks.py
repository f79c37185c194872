from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from napari_medfreq.nn.aegan_blocks import ConditionalNorm, Decoder, Encoder, ResidualBlock, SqueezeExcitation


def test_a_norm_has_the_scale_and_shift_of_its_target() -> None:
    norm = ConditionalNorm(5, targets=3)
    nn.init.normal_(norm.scale)
    nn.init.normal_(norm.shift)
    x = torch.randn(2, 5, 8, 9) * 3 + 1
    mask = functional.one_hot(torch.tensor([2, 0]), 3).float()
    for sample, target in enumerate((2, 0)):
        mean = x[sample].mean((1, 2), keepdim=True)
        deviation = (x[sample].var((1, 2), correction=0, keepdim=True) + 1e-5).sqrt()
        expected = (x[sample] - mean) / deviation * norm.scale[target, :, None, None] + norm.shift[
            target, :, None, None
        ]
        torch.testing.assert_close(norm(x, mask)[sample], expected)


def test_constant_planes_of_a_mask_would_not_get_through_a_norm() -> None:
    """Why the mask vector acts behind the norms: as planes beside the image it changes nothing."""
    convolution = nn.Conv2d(2, 4, 7, padding=3, padding_mode="reflect", bias=False)
    image = torch.randn(1, 1, 16, 16)
    seen = [
        functional.instance_norm(convolution(torch.cat([image, torch.full_like(image, value)], 1)))
        for value in (0.0, 1.0)
    ]
    torch.testing.assert_close(seen[0], seen[1], atol=1e-4, rtol=1e-4)


def test_encoder_and_decoder_are_each_others_shape() -> None:
    code = Encoder(3, 4)(torch.randn(2, 3, 24, 32))
    assert code.shape == (2, 16, 6, 8)
    coarse, fine = Decoder(4, excite=True)(code)
    assert coarse.shape == (2, 8, 12, 16)
    assert fine.shape == (2, 4, 24, 32)


def test_excitation_at_most_doubles() -> None:
    x = torch.rand(2, 8, 5, 5)
    y = SqueezeExcitation(8)(x)
    assert ((y >= x) & (y <= 2 * x)).all()


def test_dropout_of_a_block_is_silent_in_use() -> None:
    block = ResidualBlock(8, dropout=0.5)
    x = torch.randn(1, 8, 12, 12)
    assert not torch.equal(block(x), block(x))
    block.eval()
    assert torch.equal(block(x), block(x))
