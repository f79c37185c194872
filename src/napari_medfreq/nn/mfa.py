"""The modality feature adaptor (MFA): low-rank prompts added to the tokens before every block.

After Liu et al., *Explicit Visual Prompting* (CVPR 2023), which MMSNet follows. For stage ``s`` and block ``i``

    P = U_s GELU(W_{s,i}(E_s x_s + F_s))        x <- x + P

with ``x_s`` the stage's patch embedding, ``E_s`` a linear map to ``C_s / r`` channels, ``F_s`` the frequency feature
map (see `fep`), ``W`` a map for each block and ``U_s`` one for each stage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class ModalityAdapter(nn.Module):
    """The adapters of all stages.

    Parameters
    ----------
    widths, depths : sequence of int
        Channels and blocks of the encoder's stages.
    ratio : int
        Low-rank ratio r: 1, 2, 4 or 8.
    """

    def __init__(self, widths: Sequence[int], depths: Sequence[int], ratio: int) -> None:
        super().__init__()
        if ratio not in (1, 2, 4, 8):
            raise ValueError(f"the adapter ratio must be 1, 2, 4 or 8, not {ratio}")
        ranks = [width // ratio for width in widths]
        self.embed = nn.ModuleList(nn.Linear(w, r) for w, r in zip(widths, ranks, strict=True))
        self.block = nn.ModuleList(
            nn.ModuleList(nn.Linear(rank, rank) for _ in range(depth))
            for rank, depth in zip(ranks, depths, strict=True)
        )
        ups = [nn.Linear(rank, width) for width, rank in zip(widths, ranks, strict=True)]
        for up in ups:
            # The untouched encoder is where training starts.
            nn.init.zeros_(up.weight)
            nn.init.zeros_(up.bias)
        self.up = nn.ModuleList(ups)

    def forward(self, stage: int, embedding: Tensor, prompt: Tensor | None) -> Callable[[int, Tensor], Tensor]:
        """Return what to call before each block of `stage` with the block's index and its tokens (N, h, w, C_s).

        Parameters
        ----------
        stage : int
            Index of the stage.
        embedding : Tensor, shape (N, h, w, C_s)
            The stage's patch embedding.
        prompt : Tensor, shape (N, h, w, C_s / r), optional
            The frequency feature map.
        """
        hidden = self.embed[stage](embedding)
        if prompt is not None:
            hidden = hidden + prompt
        blocks, up = cast("nn.ModuleList", self.block[stage]), self.up[stage]

        def before(block: int, tokens: Tensor) -> Tensor:
            added: Tensor = up(functional.gelu(blocks[block](hidden)))
            return tokens + added

        return before
