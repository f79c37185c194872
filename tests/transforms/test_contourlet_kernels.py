from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
import torch

from napari_medfreq.transforms.contourlet_kernels import analysis, image_shape, part_shapes, smooth, synthesis

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

# Real and complex responses, symmetric ladders and square roots, the quincunx, a scale without directions.
BANKS = [
    ((2, 3), "9-7", "pkva"),
    ((1, 2), "haar", "haar"),
    ((0, 4), "meyer", "meyer"),
    ((3, 0, 1), "5-3", "meyer"),
]


def parts_of(image: Tensor, bank: tuple[tuple[int, ...], str, str], dual: bool = False) -> list[Tensor]:
    return cast("list[Tensor]", analysis(image, *bank, dual))


def inner(one: list[Tensor], other: list[Tensor]) -> float:
    return sum(float((a * b).sum()) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("bank", BANKS)
@pytest.mark.parametrize("dual", [False, True])
def test_the_dual_of_synthesis_is_the_adjoint_of_analysis(bank: tuple[tuple[int, ...], str, str], dual: bool) -> None:
    image = torch.randn(2, 32, 48, dtype=torch.float64)
    parts = parts_of(image, bank, dual)
    weights = [torch.randn_like(part) for part in parts]
    assert inner(parts, weights) == pytest.approx(float((image * synthesis(weights, *bank, not dual)).sum()), rel=1e-10)


@pytest.mark.parametrize("bank", BANKS)
@pytest.mark.parametrize("dual", [False, True])
def test_synthesis_undoes_analysis_and_so_do_their_duals(bank: tuple[tuple[int, ...], str, str], dual: bool) -> None:
    image = torch.randn(3, 32, 48, dtype=torch.float64)
    assert torch.allclose(synthesis(parts_of(image, bank, dual), *bank, dual), image, atol=1e-12)


@pytest.mark.parametrize("pyramid", ["9-7", "haar", "meyer"])
def test_smoothing_is_what_the_low_pass_part_alone_gives_and_its_dual_is_its_adjoint(pyramid: str) -> None:
    image, other = torch.randn(2, 32, 48, dtype=torch.float64).unbind()
    bank = ((2, 2), pyramid, "pkva")
    low, *bands = parts_of(image, bank)
    detail = synthesis([torch.zeros_like(low), *bands], *bank, False)
    assert torch.allclose(image - smooth(image, 2, pyramid, False), detail, atol=1e-12)
    assert float((smooth(image, 2, pyramid, False) * other).sum()) == pytest.approx(
        float((image * smooth(other, 2, pyramid, True)).sum()), rel=1e-10
    )


@pytest.mark.parametrize("bank", BANKS)
def test_torch_accepts_the_operators(bank: tuple[tuple[int, ...], str, str]) -> None:
    # Checks schema, fake kernels (shapes and strides), autograd registration and tracing.
    image = torch.randn(2, 16, 32, dtype=torch.float64, requires_grad=True)
    torch.library.opcheck(analysis, (image, *bank, False))
    parts = [part.detach().requires_grad_() for part in parts_of(image.detach(), bank)]
    torch.library.opcheck(synthesis, (parts, *bank, False))
    torch.library.opcheck(smooth, (image, len(bank[0]), bank[1], False))


@pytest.mark.parametrize("batch", [(), (0,), (7,), (2, 3)])
def test_batches_of_any_shape_are_taken_in_chunks(batch: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_medfreq.transforms.contourlet_kernels._CHUNK", 2 * 16 * 16)
    bank = ((1, 2), "9-7", "pkva")
    image = torch.randn(*batch, 16, 16, dtype=torch.float64)
    parts = parts_of(image, bank)
    assert [tuple(part.shape) for part in parts] == part_shapes(image.shape, bank[0])
    assert image_shape(parts[0], 2) == image.shape
    back = synthesis(parts, *bank, False)
    assert back.shape == image.shape
    assert torch.allclose(back, image, atol=1e-12)


@pytest.mark.parametrize("bank", BANKS)
def test_gradients_and_their_gradients(bank: tuple[tuple[int, ...], str, str]) -> None:
    image = torch.randn(16, 16, dtype=torch.float64, requires_grad=True)
    low, *bands = (part.detach().requires_grad_() for part in parts_of(image.detach(), bank))
    maps: list[tuple[Callable[..., object], tuple[Tensor, ...]]] = [
        (lambda x: tuple(part for part in parts_of(x, bank) if part.numel()), (image,)),
        (lambda *parts: synthesis(list(parts), *bank, False), (low, *bands)),
        (lambda x: smooth(x, len(bank[0]), bank[1], False), (image,)),
    ]
    for function, inputs in maps:
        assert torch.autograd.gradcheck(function, inputs, fast_mode=True)
        assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("bank", BANKS)
def test_an_accelerator_computes_the_same(bank: tuple[tuple[int, ...], str, str]) -> None:
    image = torch.randn(3, 32, 48, dtype=torch.float64)
    there = parts_of(image.cuda(), bank)
    for one, other in zip(parts_of(image, bank), there, strict=True):
        assert torch.allclose(one, other.cpu(), atol=1e-12)
    assert torch.allclose(synthesis(there, *bank, False).cpu(), image, atol=1e-12)
