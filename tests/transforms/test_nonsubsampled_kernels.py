from __future__ import annotations

import pytest
import torch

from napari_medfreq.transforms import nonsubsampled_kernels
from napari_medfreq.transforms.nonsubsampled_kernels import analysis, packed, synthesis

OPTIONS = ([0, 2], "9-7", "pkva")


def random(*size: int) -> torch.Tensor:
    return torch.randn(size, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(size)))


@pytest.mark.parametrize("weighted", [False, True])
def test_each_map_is_the_adjoint_of_the_other(weighted: bool) -> None:
    x = random(2, 3, 12, 11)
    groups = [random(2, 3, n, 12, 11) for n in (1, 1, 4)]
    one = sum((a * b).sum() for a, b in zip(analysis(x, *OPTIONS, weighted), groups, strict=True))
    assert float(one) == pytest.approx(float((x * synthesis(groups, *OPTIONS, weighted)).sum()), rel=1e-12)


def test_torch_agrees_that_they_are_operators() -> None:
    x = random(2, 8, 9).requires_grad_()
    groups = [group.detach().requires_grad_() for group in analysis(x, *OPTIONS, False)]
    torch.library.opcheck(analysis, (x, *OPTIONS, False))
    torch.library.opcheck(synthesis, (groups, *OPTIONS, True))


@pytest.mark.parametrize("chunk", [1, 100, 300, 10**6])
def test_how_the_work_is_cut_changes_nothing(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x = random(5, 8, 10)
    expected = analysis(x, *OPTIONS, False)
    monkeypatch.setattr(nonsubsampled_kernels, "_CHUNK", chunk)
    for group, whole in zip(analysis(x, *OPTIONS, False), expected, strict=True):
        assert torch.allclose(group, whole, atol=1e-14)
    assert torch.allclose(synthesis(expected, *OPTIONS, True), x, atol=1e-13)


def test_an_empty_batch_has_empty_bands() -> None:
    groups = analysis(torch.zeros(0, 3, 8, 8), *OPTIONS, False)
    assert [tuple(group.shape) for group in groups] == [(0, 3, 1, 8, 8), (0, 3, 1, 8, 8), (0, 3, 4, 8, 8)]
    assert synthesis(groups, *OPTIONS, True).shape == (0, 3, 8, 8)


def test_a_part_may_be_missing_but_not_both() -> None:
    x = random(3, 3)
    assert torch.equal(packed(x, None), 1j * x)
    assert torch.equal(packed(None, x), x + 0j)
    with pytest.raises(ValueError, match="nothing to pack"):
        packed(None, None)
