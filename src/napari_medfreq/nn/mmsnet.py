"""MMSNet: mixed-modality segmentation guided by frequencies at several scales.

    image ──► MiT encoder ──► four maps ──► 1x1 to a common width ──► top-down pyramid ──► dropout, 1x1 ──► logits
              ▲ before every block: MFA adapters,                     MSFG on every level
                fed by the FEP (contourlet) maps

The published description leaves the decoder's widths, its losses and the dropout open; ours are stated here: a common
width (64), a sum of upsampled levels, channel dropout before the classifier (and, if asked for, after the projections).
Dropout sits after the encoder only, so Monte Carlo passes reuse all that comes before it. After the projections, and
not at the end of the decoder, because there it changes what the network makes of the whole image and not only of the
pixel; what it costs to sample is in `napari_medfreq.nn.dropout`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from napari_medfreq.nn.dropout import PassMasks, draw_masks
from napari_medfreq.nn.fep import FrequencyPrompt, Prompt
from napari_medfreq.nn.mfa import ModalityAdapter
from napari_medfreq.nn.mit import MiTConfig, MixTransformer, Variant
from napari_medfreq.nn.msfg import MultiscaleFrequencyGuidance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class MMSNetConfig:
    """The whole architecture; saved with the weights.

    Parameters
    ----------
    backbone : str
        ``b0`` to ``b5``.
    in_channels : int
        One to four image channels (or neighbouring slices).
    classes : int
        1: one sigmoid logit; more: softmax with the background first.
    width : int
        Channels of the decoder.
    adapter_ratio : int or None
        Low-rank ratio r of the MFA adapters; None leaves them (and the prompt) out.
    freeze_encoder : bool
        Train only adapters, prompt, decoder and heads.
    prompt : {"contourlet", "fft", "wavelet"} or None
        Source of the frequency prompt; None leaves it out.
    levels : tuple of int
        Directional levels of the contourlet prompt, coarse to fine.
    scales : int
        Scales of MSFG; 0 leaves it out.
    frequencies : int
        DCT coefficients of MSFG's channel guidance.
    head_dropout, decoder_dropout : float
        Probability that a channel is dropped before the classifier, and after the projections of the decoder.
    drop_path : float
        Stochastic depth of the encoder, in training only.
    """

    backbone: Variant = "b0"
    in_channels: int = 3
    classes: int = 1
    width: int = 64
    adapter_ratio: int | None = 4
    freeze_encoder: bool = False
    prompt: Prompt | None = "contourlet"
    levels: tuple[int, ...] = (2, 3)
    scales: int = 3
    frequencies: int = 16
    head_dropout: float = 0.1
    decoder_dropout: float = 0.0
    drop_path: float = 0.1

    def __post_init__(self) -> None:
        if self.prompt is not None and self.adapter_ratio is None:
            raise ValueError("a frequency prompt needs adapters: set adapter_ratio or prompt = None")
        for name in ("head_dropout", "decoder_dropout", "drop_path"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} must lie in [0, 1), not {getattr(self, name)}")
        object.__setattr__(self, "levels", tuple(self.levels))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> MMSNetConfig:
        """Return the config that `to_dict` described; unknown names are refused."""
        known = {field.name for field in fields(cls)}
        if unknown := set(values) - known:
            raise ValueError(
                f"unknown settings of MMSNet: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}"
            )
        optional = {name: values.get(name) for name in ("adapter_ratio", "prompt")}
        return cls(**{**values, **optional})

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a TOML file; settings that are None are left out."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items() if v is not None}


class Supervision(NamedTuple):
    """What is trained on: logits at each level, the finest first, at its own resolution."""

    regions: list[Tensor]
    """Region logits (N, classes, h, w)."""
    boundaries: list[Tensor]
    """Boundary logits (N, 1, h, w)."""


class MMSNet(nn.Module):
    """The network; see the module's docstring.

    Parameters
    ----------
    config : MMSNetConfig

    Notes
    -----
    ``forward`` takes a float image (N, C, H, W) of any size in the range that the model card states and returns logits
    (N, classes, H, W).
    """

    def __init__(self, config: MMSNetConfig) -> None:
        super().__init__()
        self.config = config
        encoder = MiTConfig(config.backbone, config.in_channels, config.drop_path)
        self.encoder = MixTransformer(encoder)
        self.encoder.requires_grad_(not config.freeze_encoder)
        ratio = config.adapter_ratio
        self.adapter = ModalityAdapter(encoder.widths, encoder.depths, ratio) if ratio else None
        self.prompt = (
            FrequencyPrompt([w // ratio for w in encoder.widths], config.prompt, config.levels)
            if ratio and config.prompt
            else None
        )
        width = config.width
        self.project = nn.ModuleList(
            nn.Sequential(nn.Conv2d(w, width, 1, bias=False), nn.BatchNorm2d(width)) for w in encoder.widths
        )
        self.decoder_dropout = nn.Dropout2d(config.decoder_dropout)
        self.smooth = nn.ModuleList(_smoothing(width) for _ in range(3))
        self.guide = nn.ModuleList(
            MultiscaleFrequencyGuidance(width, config.scales, config.frequencies) if config.scales else nn.Identity()
            for _ in range(4)
        )
        self.head_dropout = nn.Dropout2d(config.head_dropout)
        self.classify = nn.Conv2d(width, config.classes, 1)
        self.deep_regions = nn.ModuleList(nn.Conv2d(width, config.classes, 1) for _ in range(3))
        self.boundaries = nn.ModuleList(nn.Conv2d(width, 1, 1) for _ in range(4))

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (N, classes, H, W) for an image (N, C, H, W)."""
        return enlarged(self.head(self.features(image)), image.shape[-2:])

    def supervise(self, image: Tensor) -> Supervision:
        """Return the logits of all levels, for training."""
        levels = self._levels(self.encode(image))
        regions = [self.head(levels[0])] + [h(x) for h, x in zip(self.deep_regions, levels[1:], strict=True)]
        return Supervision(regions, [h(x) for h, x in zip(self.boundaries, levels, strict=True)])

    def features(self, image: Tensor) -> Tensor:
        """Return the last features before the classifier's dropout, shape (N, width, ceil(H/4), ceil(W/4))."""
        return self.decode(self.encode(image))

    def encode(self, image: Tensor) -> list[Tensor]:
        """Return the encoder's four maps: everything before the first dropout."""
        if image.shape[1] != self.config.in_channels:
            raise ValueError(f"the network takes {self.config.in_channels} channels, not {image.shape[1]}")
        if self.adapter is None:
            return self.encoder(image)  # type: ignore[no-any-return]
        adapter, maps = self.adapter, self.prompt(image) if self.prompt is not None else None

        def adapt(stage: int, embedding: Tensor) -> Any:
            return adapter(stage, embedding, None if maps is None else maps[stage])

        return self.encoder(image, adapt)  # type: ignore[no-any-return]

    def decode(self, maps: list[Tensor]) -> Tensor:
        """Return the last features for the encoder's maps."""
        return self._levels(maps)[0]

    def head(self, features: Tensor) -> Tensor:
        """Return logits (N, classes, h, w) at the resolution of `features`."""
        return self.classify(self.head_dropout(features))  # type: ignore[no-any-return]

    def pass_masks(self, passes: int, seed: int) -> PassMasks:
        """Return the channel masks of `passes` Monte Carlo passes; the same seed gives the same masks."""
        config = self.config
        return draw_masks(passes, seed, config.width, head=config.head_dropout, decoder=config.decoder_dropout)

    def decoder_samples(self, maps: list[Tensor], masks: Tensor | None) -> Iterator[list[Tensor]]:
        """Yield the last features for each draw of the decoder's masks, as parts that `head_passes` adds up.

        The projections are shared by all draws. The three coarse levels, a third of the work, are computed for all
        draws at once; the finest one draw by draw, so that its maps stay in the processor's cache.

        Parameters
        ----------
        maps : list of Tensor
            From `encode`.
        masks : Tensor or None, shape (D, 4, width)
            See `PassMasks`; None yields once, without dropout.
        """
        finest, *coarse = (p(m) for p, m in zip(self.project, maps, strict=True))
        if masks is None:
            yield self._finest(finest, self._coarse(coarse)[-1])
            return
        factors = masks.to(finest)[..., None, None]
        drawn = [(factors[:, i + 1, None] * x).flatten(0, 1) for i, x in enumerate(coarse)]
        for factor, above in zip(factors[:, 0], self._coarse(drawn)[-1].chunk(len(masks)), strict=True):
            yield self._finest(factor * finest, above)

    def head_passes(self, parts: Sequence[Tensor], masks: Tensor) -> Tensor:
        """Return the logits of all passes, shape (T, N, classes, h, w).

        Channel dropout before a 1x1 convolution is a convolution with masked weights, so T passes are one matrix
        product; and as both it and enlarging are linear, each part is enlarged as T maps of logits, not as features.

        Parameters
        ----------
        parts : sequence of Tensor, shapes (N, width, h_i, w_i)
            Maps whose sum at the size of the first are the features.
        masks : Tensor, shape (T, width)
            The head's, see `PassMasks`.
        """
        passes, size = masks.shape[0], parts[0].shape[-2:]
        weight, bias = self.classify.weight, self.classify.bias
        masked = (weight[None] * masks.to(weight)[:, None, :, None, None]).flatten(0, 1)
        logits = functional.conv2d(parts[0], masked, None if bias is None else bias.repeat(passes))
        for part in parts[1:]:
            logits = logits + enlarged(functional.conv2d(part, masked), size)
        return logits.view(len(logits), passes, self.config.classes, *size).transpose(0, 1)

    def head_moments(self, parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return mean and variance of the logits under the head's dropout, in closed form; (N, classes, h, w) each.

        ``E[z] = b + sum_c w_c f_c`` and ``Var[z] = p / (1 - p) sum_c (w_c f_c)^2`` for features ``f`` (the sum of the
        `parts`) and independent channel masks with the mean 1.
        """
        features = parts[0] + sum(enlarged(part, parts[0].shape[-2:]) for part in parts[1:])
        dropped = self.config.head_dropout
        spread = functional.conv2d(features.square(), self.classify.weight.square())
        return self.classify(features), spread * (dropped / (1.0 - dropped))

    def _levels(self, maps: list[Tensor]) -> list[Tensor]:
        """Return the decoder's features, finest level first."""
        finest, *coarse = (self.decoder_dropout(p(m)) for p, m in zip(self.project, maps, strict=True))
        levels = self._coarse(coarse)
        return [self.guide[0](self._merged(0, finest, levels[-1])), *levels[::-1]]

    def _coarse(self, projected: list[Tensor]) -> list[Tensor]:
        """Return the features of the three coarse levels, coarsest first, for their projections, finest first."""
        current = self.guide[3](functional.relu(projected[2]))
        levels = [current]
        for index in (2, 1):
            current = self.guide[index](self._merged(index, projected[index - 1], current))
            levels.append(current)
        return levels

    def _finest(self, projected: Tensor, above: Tensor) -> list[Tensor]:
        """Return the parts of the finest level's features."""
        merged, guide = self._merged(0, projected, above), self.guide[0]
        return guide.parts(merged) if isinstance(guide, MultiscaleFrequencyGuidance) else [merged]

    def _merged(self, index: int, projected: Tensor, above: Tensor) -> Tensor:
        above = functional.interpolate(above, size=projected.shape[-2:], mode="bilinear")
        return self.smooth[index](functional.relu(projected + above))  # type: ignore[no-any-return]


def enlarged(logits: Tensor, size: Sequence[int]) -> Tensor:
    """Return `logits` (N, C, h, w) resized bilinearly to the image's `size`."""
    return functional.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=False)


def _smoothing(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )
