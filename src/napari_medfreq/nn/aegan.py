"""AE-GAN: the one missing contrast from all the others (Cao et al., International Journal of Computer Vision, 2023).

Two networks learn together. The *synthesis network* S makes the target from its inputs. The *autoencoder* A sees the
target only; its encoder is the discriminator of S, and the features of its decoder are what those of S are drawn to
(`napari_medfreq.nn.aegan_losses`). Only S is used afterwards.

What differs from the published code, and why: instance norm for batch norm (whose batch of one made the output depend
on whether the network trains); the mask vector acts behind the norms (see `aegan_blocks.ConditionalNorm`); the head
that nothing learned from is left out, and with it the one size of input; weights begin as torch draws them, for those
of N(0, 0.02) learn more slowly at small widths; neighbouring planes, a linear shortcut and skips are options.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_medfreq.nn.aegan_blocks import Decoder, Encoder, ResidualBlock, Step, image_head
from napari_medfreq.nn.aegan_contrasts import inputs_for
from napari_medfreq.nn.aegan_inputs import only_head

MULTIPLE = 4
_LEAST_WIDTH, _MOST_WIDTH = 4, 64


@dataclass(frozen=True)
class AEGANConfig:
    """What an AE-GAN is made of.

    Parameters
    ----------
    contrasts : tuple of str
        The n contrasts of a person, in the order of the rotation; at least two.
    width : int
        w, channels of the finest level (the trunk has 4 w); 64 as published, 16 to 64 are sensible.
    slices : int
        Odd; planes of each input that are seen together (2.5D). 1 as published.
    blocks, autoencoder_blocks : int
        Residual blocks of S and of A; 6 as published.
    dropout : float
        Within the residual blocks of S, range [0, 1); 0.5 as published.
    shortcut : bool
        Add a linear mix of the inputs to the image, which is then only corrected. Not published; see `Synthesis`.
    skips : bool
        Hand the encoders' finer features to the decoder, by a 1x1 convolution and ReLU at each level. Not published:
        without them all detail must pass through a quarter of the resolution, which takes far longer to learn.
    """

    contrasts: tuple[str, ...] = ("t1", "t1c", "t2", "flair")
    width: int = 64
    slices: int = 1
    blocks: int = 6
    autoencoder_blocks: int = 6
    dropout: float = 0.5
    shortcut: bool = False
    skips: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "contrasts", tuple(self.contrasts))
        if len(self.contrasts) < 2 or len(set(self.contrasts)) != len(self.contrasts):
            raise ValueError(f"there must be at least two contrasts with different names, not {self.contrasts}.")
        if not _LEAST_WIDTH <= self.width <= _MOST_WIDTH:
            raise ValueError(f"width must lie between {_LEAST_WIDTH} and {_MOST_WIDTH}, not {self.width}.")
        if self.slices < 1 or self.slices % 2 == 0:
            raise ValueError(f"slices must be odd, not {self.slices}.")
        if self.blocks < 1 or self.autoencoder_blocks < 0:
            raise ValueError(f"there must be residual blocks, not {self.blocks} and {self.autoencoder_blocks}.")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout must lie in [0, 1), not {self.dropout}.")

    @property
    def branches(self) -> int:
        """Inputs of S: n - 1."""
        return len(self.contrasts) - 1

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> AEGANConfig:
        """Return the config of a model's or a run's table ``network``.

        Raises
        ------
        ValueError
            If an entry is unknown or out of range.
        """
        if unknown := sorted(set(values) - {f.name for f in fields(cls)}):
            raise ValueError(f"AE-GAN has no {', '.join(unknown)}.")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields; the inverse of `from_dict`."""
        return asdict(self)

    def inputs_for(self, target: str) -> tuple[str, ...]:
        """Return the inputs of `target` in the order of the branches."""
        return inputs_for(self.contrasts, target)

    def mask_vector(self, targets: Tensor) -> Tensor:
        """Return the one-hot vector (N, n) of targets (N,), float32."""
        return functional.one_hot(targets, len(self.contrasts)).float()


class Synthesis(nn.Module):
    r"""S: an encoder for each input, fusion by a 1x1 convolution, residual trunk, decoder with SE, tanh.

    With ``shortcut`` the image is ``m_t . x + b_t + 2 tanh(h)`` instead of ``tanh(h)``, where ``m_t`` weighs all planes
    of all inputs of the target t: S begins as a linear regression (`start_from`) and learns what that misses.

    Parameters
    ----------
    config : AEGANConfig
        Its sizes.
    """

    def __init__(self, config: AEGANConfig) -> None:
        super().__init__()
        self.config = config
        width, targets = config.width, len(config.contrasts)
        self.encoders = nn.ModuleList(Encoder(config.slices, width, targets) for _ in range(config.branches))
        self.fusion = nn.Sequential(nn.Conv2d(4 * width * config.branches, 4 * width, 1), nn.ReLU())
        self.trunk = nn.ModuleList(ResidualBlock(4 * width, targets, config.dropout) for _ in range(config.blocks))
        self.decoder = Decoder(width, targets, excite=True)
        self.head = image_head(width)
        levels = (2 * width, width) if config.skips else ()
        self.joints = nn.ModuleList(nn.Sequential(nn.Conv2d(c * config.branches, c, 1), nn.ReLU()) for c in levels)
        self.mix: nn.Parameter | None = None
        self.offset: nn.Parameter | None = None
        if config.shortcut:
            mix = torch.zeros(targets, config.branches, config.slices)
            mix[:, :, config.slices // 2] = 1.0 / config.branches
            self.mix, self.offset = nn.Parameter(mix), nn.Parameter(torch.zeros(targets))

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Make the targets.

        Parameters
        ----------
        inputs : torch.Tensor, shape (N, n - 1, slices, H, W)
            In the order of `AEGANConfig.inputs_for`, range [-1, 1]; any H and W (padded to multiples of 4).
        targets : torch.Tensor of int64, shape (N,)
            Index of each sample's target among the contrasts.

        Returns
        -------
        torch.Tensor, shape (N, 1, H, W)
            About [-1, 1]: bounded by tanh, or with ``shortcut`` by what is clipped in use; -1 outside of the head.

        Raises
        ------
        ValueError
            If the inputs are not as many as the branches, or not so many planes.
        """
        return self.with_features(inputs, targets)[0]

    def with_features(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return the image and the decoder's features of the padded image: (N, 2 w, H/2, W/2), (N, w, H, W)."""
        expected = (self.config.branches, self.config.slices)
        if inputs.ndim != 5 or tuple(inputs.shape[1:3]) != expected:
            raise ValueError(
                f"the network takes {expected[0]} contrasts of {expected[1]} planes each, (N, {expected[0]}, "
                f"{expected[1]}, H, W); it was given {tuple(inputs.shape)}."
            )
        height, width = inputs.shape[-2:]
        mask = self.config.mask_vector(targets)
        padded = _padded(inputs.flatten(1, 2))
        branches = padded.chunk(self.config.branches, 1)
        found = [
            encoder.levels(_channels_last(branch), mask)  # type: ignore[operator]  # torch's stub: Module | Tensor
            for encoder, branch in zip(self.encoders, branches, strict=True)
        ]
        fine, coarse, code = (torch.cat(level, 1) for level in zip(*found, strict=True))
        code = self.fusion(code)
        for block in self.trunk:
            code = block(code, mask)
        skips = [joint(level) for joint, level in zip(self.joints, (coarse, fine), strict=False)]
        features = self.decoder(code, mask, skips or None)
        image = torch.tanh(self.head(features[1]).float())
        if self.mix is not None and self.offset is not None:
            weights = mask @ self.mix.flatten(1)
            linear = (padded * weights[:, :, None, None]).sum(1, keepdim=True)
            image = linear + (mask @ self.offset)[:, None, None, None] + 2.0 * image
        return only_head(image[..., :height, :width], inputs), features

    @torch.no_grad()
    def start_from(self, weights: Tensor, offsets: Tensor) -> None:
        """Begin as the linear regressions of the central planes, and the rest of the network as no correction.

        Parameters
        ----------
        weights : torch.Tensor, shape (n, n - 1)
            Of each target's inputs, in [-1, 1] units.
        offsets : torch.Tensor, shape (n,)
            Of each target.

        Raises
        ------
        ValueError
            If the network has no shortcut.
        """
        if self.mix is None or self.offset is None:
            raise ValueError("a network without shortcut cannot start from a linear regression.")
        self.mix.zero_()
        self.mix[:, :, self.config.slices // 2] = weights
        self.offset.copy_(offsets)
        for parameter in self.head.parameters():
            parameter.zero_()


class Autoencoder(nn.Module):
    """A: one autoencoder for all targets, told none of them; its encoder is the discriminator of S.

    The discriminator's head is a 1x1 convolution, norm, LeakyReLU and a 4x4 convolution of stride 2 on the code.

    Parameters
    ----------
    config : AEGANConfig
        Its sizes.
    """

    def __init__(self, config: AEGANConfig) -> None:
        super().__init__()
        channels = 4 * config.width
        self.encoder = Encoder(1, config.width)
        self.trunk = nn.ModuleList(ResidualBlock(channels) for _ in range(config.autoencoder_blocks))
        self.judge = nn.Sequential(
            Step(nn.Conv2d(channels, channels, 1, bias=False), channels, activation=nn.LeakyReLU(0.2)),
            nn.Conv2d(channels, 1, 4, stride=2, padding=1),
        )
        self.decoder = Decoder(config.width, excite=False)
        self.head = image_head(config.width)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
        """Return what it takes the image for, its reconstruction, and the features of the decoder.

        Parameters
        ----------
        image : torch.Tensor, shape (N, 1, H, W)
            Range [-1, 1].

        Returns
        -------
        logits : torch.Tensor, shape (N, 1, about H/8, about W/8)
            Above 0 where a patch looks real.
        reconstruction : torch.Tensor, shape (N, 1, H, W)
            Range [-1, 1].
        features : tuple of torch.Tensor
            (N, 2 w, H/2, W/2) and (N, w, H, W), H and W padded to multiples of 4.
        """
        code = self.code(image)
        features = self.decoder(code)
        height, width = image.shape[-2:]
        return self.judge(code).float(), torch.tanh(self.head(features[1]).float())[..., :height, :width], features

    def discriminate(self, image: Tensor) -> Tensor:
        """Return only the logits."""
        result: Tensor = self.judge(self.code(image)).float()
        return result

    def code(self, image: Tensor) -> Tensor:
        """Return the code, (N, 4 w, H/4, W/4)."""
        code: Tensor = self.encoder(_channels_last(_padded(image)))
        for block in self.trunk:
            code = block(code)
        return code


def _padded(images: Tensor) -> Tensor:
    below, right = -images.shape[-2] % MULTIPLE, -images.shape[-1] % MULTIPLE
    return functional.pad(images, (0, right, 0, below), mode="replicate") if below or right else images


def _channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)
