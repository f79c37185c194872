import torch
from torch import nn

from napari_medfreq.engine.fusion import fused
from napari_medfreq.nn.mmsnet import MMSNet, MMSNetConfig


def trained_looking_network() -> MMSNet:
    """Return a network whose batch norms do something."""
    torch.manual_seed(0)
    network = MMSNet(MMSNetConfig(width=32, frequencies=4))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            module.running_mean.normal_(std=0.2)
            module.running_var.uniform_(0.5, 2.0)
    return network.eval()


def test_a_fused_network_computes_the_same_and_has_no_batch_norm_left() -> None:
    network = trained_looking_network()
    lean = fused(network)
    image = torch.rand(2, 3, 61, 50)
    with torch.inference_mode():
        torch.testing.assert_close(lean(image), network(image), atol=1e-4, rtol=1e-4)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in lean.modules())


def test_the_network_itself_stays_as_it_was() -> None:
    network = trained_looking_network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fused(network)
    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_norm_that_follows_no_convolution_stays() -> None:
    network = nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3))
    assert isinstance(fused(network)[1], nn.BatchNorm2d)
