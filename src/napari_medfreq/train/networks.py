"""The networks that can be trained: ours, and the baseline that it is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from napari_medfreq.errors import DatasetError, ModelError
from napari_medfreq.io.models import open_model, verify
from napari_medfreq.nn.mmsnet import MMSNet, MMSNetConfig, Supervision

if TYPE_CHECKING:
    from napari_medfreq.train.config import TrainConfig


class UNetBaseline(nn.Module):
    """MONAI's residual U-Net (five levels, 16 to 256 channels, 1.6 M parameters) behind the interface of `MMSNet`."""

    def __init__(self, in_channels: int, classes: int) -> None:
        super().__init__()
        from monai.networks.nets.unet import UNet

        self.network = UNet(
            spatial_dims=2,
            in_channels=in_channels,
            out_channels=classes,
            channels=(16, 32, 64, 128, 256),
            strides=(2, 2, 2, 2),
            num_res_units=2,
            norm="batch",
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (N, classes, H, W) for an image (N, C, H, W)."""
        height, width = image.shape[-2:]
        padded = functional.pad(image, (0, -width % 16, 0, -height % 16), mode="replicate")
        return self.network(padded)[..., :height, :width]  # type: ignore[no-any-return]

    def supervise(self, image: Tensor) -> Supervision:
        """Return its only level; a U-Net has no boundary head."""
        return Supervision([self(image)], [])


def build_network(config: TrainConfig) -> MMSNet | UNetBaseline:
    """Return the network of a run with the weights that it starts from.

    Raises
    ------
    DatasetError
        If the config's table ``network`` asks for what does not exist, or the model that it starts from does not fit.
    """
    network = _random_network(config)
    if config.start:
        _load_start(network, config)
    return network


def _load_start(network: nn.Module, config: TrainConfig) -> None:
    try:
        folder = open_model(config.start)
        verify(folder)
        network.load_state_dict({name: tensor.float() for name, tensor in load_file(folder.weights).items()})
    except (ModelError, SafetensorError, RuntimeError, OSError) as error:
        message = f"the training config {config.name!r} cannot start from {config.start!r}: {error}"
        raise DatasetError(message) from error


def _random_network(config: TrainConfig) -> MMSNet | UNetBaseline:
    if config.architecture == "monai-unet":
        return UNetBaseline(config.in_channels, config.classes)
    values = {**config.network, "in_channels": config.in_channels, "classes": config.classes}
    try:
        return MMSNet(MMSNetConfig.from_dict(values))
    except (TypeError, ValueError) as error:
        raise DatasetError(f"[network] of the training config {config.name!r}: {error}.") from error
