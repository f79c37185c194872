"""What a network says of images, and how unsure it is: of one pass, or of many that differ by chance.

Nothing is computed twice that does not differ between passes: with dropout the encoder and the projections run once,
the decoder once for each draw of its masks, and the heads are one matrix product. Only running sums are kept. Dropout
acts through masks alone, so the network stays in evaluation mode and batch norms keep their statistics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_medfreq.engine.stochastic_depth import branches_scaled, draw_branches
from napari_medfreq.engine.uncertainty import Estimate, entropy, probabilities, to_logits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from napari_medfreq.engine.options import Measure, Method, SegmentOptions
    from napari_medfreq.nn.dropout import PassMasks
    from napari_medfreq.nn.mmsnet import MMSNet

__all__ = ["Sampling", "entropy", "estimate", "probabilities", "sampling", "to_logits"]

_CHUNK = 1 << 24  # logits held at once
_FLIPS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))


@dataclass(frozen=True)
class Sampling:
    """How the passes of a request differ; drawn once, so that all slices and tiles agree.

    Attributes
    ----------
    method : str
        See `SegmentOptions`.
    measure : str
        What is estimated beside the mean.
    masks : PassMasks, optional
        Of ``dropout``.
    branches : torch.Tensor, shape (T, blocks, 2), optional
        Of ``stochastic-depth``.
    """

    method: Method
    measure: Measure = "entropy"
    masks: PassMasks | None = None
    branches: Tensor | None = None

    @property
    def slow(self) -> bool:
        """Whether the passes take long enough for a first answer to be worth showing."""
        if self.method == "dropout":
            return self.masks is not None and self.masks.decoder is not None
        return self.method != "closed-form"


def sampling(network: MMSNet, options: SegmentOptions) -> Sampling | None:
    """Return how the passes that `options` ask for differ; None where one deterministic pass is asked for."""
    if not options.passes:
        return None
    masks = network.pass_masks(options.passes, options.seed) if options.method == "dropout" else None
    depth = options.method == "stochastic-depth"
    branches = draw_branches(network, options.passes, options.seed) if depth else None
    return Sampling(options.method, options.measure, masks, branches)


def estimate(
    network: MMSNet,
    images: Tensor,
    plan: Sampling | None,
    check: Callable[[], None],
    first: Callable[[Tensor], None] | None = None,
) -> Tensor:
    """Return the probabilities of `images`, averaged over the passes, and what they differ by.

    Parameters
    ----------
    network : MMSNet
        In evaluation mode.
    images : torch.Tensor, shape (N, C, H, W)
        On the network's device.
    plan : Sampling or None
        None asks for one pass without any chance.
    check : callable
        Called between the passes; may raise to stop.
    first : callable, optional
        Called with a first answer of the same shape, the closed form of the head's dropout, where the passes are slow.

    Returns
    -------
    torch.Tensor, shape (N, K [+ 1], H / 4, W / 4), float32
        ``K`` is 1 for a sigmoid, else the number of classes with the background first; see `Estimate.result`.
    """
    if plan is None:
        features = network.features(images)
        check()
        return probabilities(network.head(features))
    total = Estimate(plan.measure)
    for passes in _METHODS[plan.method](network, images, plan, first):
        total.add(passes)
        check()
    return total.result()


def _dropout(
    network: MMSNet, images: Tensor, plan: Sampling, first: Callable[[Tensor], None] | None
) -> Iterator[Tensor]:
    if plan.masks is None:
        return
    maps = network.encode(images)
    draws = network.decoder_samples(maps, plan.masks.decoder)
    for parts, heads in zip(draws, plan.masks.groups(), strict=True):
        if first is not None and plan.slow:
            first(_closed(network, parts, plan.measure))
            first = None
        size = len(images) * network.config.classes * parts[0].shape[-2] * parts[0].shape[-1]
        for masks in torch.split(heads.to(images.device), max(1, _CHUNK // size)):
            yield probabilities(network.head_passes(parts, masks))


def _closed_form(
    network: MMSNet, images: Tensor, plan: Sampling, first: Callable[[Tensor], None] | None
) -> Iterator[Tensor]:
    yield from _sigma_points(network, next(network.decoder_samples(network.encode(images), None)))


def _closed(network: MMSNet, parts: list[Tensor], measure: Measure) -> Tensor:
    total = Estimate(measure)
    for points in _sigma_points(network, parts):
        total.add(points)
    return total.result()


def _sigma_points(network: MMSNet, parts: list[Tensor]) -> Iterator[Tensor]:
    """Yield 2K points that have the mean and the variances of the logits (the unscented transform)."""
    mean, variance = (moment.float() for moment in network.head_moments(parts))
    classes = mean.shape[1]
    for index in range(classes):
        step = torch.zeros_like(mean)
        step[:, index] = (classes * variance[:, index]).sqrt()
        yield probabilities(torch.stack((mean - step, mean + step)))


def _flips(network: MMSNet, images: Tensor, plan: Sampling, first: Callable[[Tensor], None] | None) -> Iterator[Tensor]:
    for axes in _FLIPS:
        parts = next(network.decoder_samples(network.encode(images.flip(axes)), None))
        if first is not None:
            first(_closed(network, parts, plan.measure))
            first = None
        logits = network.head_passes(parts, torch.ones_like(network.classify.weight[:1, :, 0, 0]))
        yield probabilities(logits.flip(axes))


def _stochastic_depth(
    network: MMSNet, images: Tensor, plan: Sampling, first: Callable[[Tensor], None] | None
) -> Iterator[Tensor]:
    for factors in () if plan.branches is None else plan.branches:
        with branches_scaled(network.encoder, factors):
            features = network.features(images)
        yield probabilities(network.head(features))[None]


_METHODS: dict[Method, Callable[..., Iterator[Tensor]]] = {
    "dropout": _dropout,
    "closed-form": _closed_form,
    "flips": _flips,
    "stochastic-depth": _stochastic_depth,
}
