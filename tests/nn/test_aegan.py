from __future__ import annotations

import pytest
import torch

from napari_medfreq.nn.aegan import AEGANConfig, Autoencoder, Synthesis


def network(**changes: object) -> Synthesis:
    return Synthesis(AEGANConfig(**{"width": 4, "blocks": 1, **changes})).eval()  # type: ignore[arg-type]


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_at_the_published_width_it_has_the_published_size() -> None:
    # 8.81 M as counted in the official code, whose mask planes cost 37,632 weights more than vectors; A without the
    # 4.19 M of the head that no loss reached.
    assert parameters(Synthesis(AEGANConfig())) == pytest.approx(8.81e6, rel=0.002)
    assert parameters(Autoencoder(AEGANConfig())) == pytest.approx(12.09e6 - 4.19e6, rel=0.002)


@pytest.mark.parametrize("size", [(32, 40), (30, 41), (33, 35)])
@pytest.mark.parametrize("slices", [1, 3])
@pytest.mark.parametrize("skips", [False, True])
def test_any_size_comes_back_as_it_was(size: tuple[int, int], slices: int, skips: bool) -> None:
    made = network(slices=slices, skips=skips)(torch.rand(2, 3, slices, *size), torch.tensor([0, 3]))
    assert made.shape == (2, 1, *size)
    assert made.abs().max() <= 1


@pytest.mark.parametrize("contrasts", [("ct", "mr"), ("t1", "dwi", "t2"), ("t1", "t1c", "t2", "flair", "swi")])
def test_other_sets_of_contrasts_by_config(contrasts: tuple[str, ...]) -> None:
    made = network(contrasts=contrasts)(torch.rand(1, len(contrasts) - 1, 1, 16, 16), torch.tensor([1]))
    assert made.shape == (1, 1, 16, 16)


def test_the_target_changes_the_image() -> None:
    torch.manual_seed(0)
    told = network()
    for norm in (m for m in told.modules() if hasattr(m, "scale")):
        torch.nn.init.normal_(norm.scale, 1.0, 0.5)
    inputs = torch.rand(1, 3, 1, 16, 16).expand(4, -1, -1, -1, -1)
    images = told(inputs, torch.arange(4))
    differences = [(images[i] - images[j]).abs().max() for i in range(4) for j in range(i)]
    assert min(differences) > 1e-3


def test_a_batch_gives_what_its_samples_give_alone() -> None:
    whole = network()
    inputs, targets = torch.rand(3, 3, 1, 20, 24), torch.tensor([2, 0, 1])
    together = whole(inputs, targets)
    alone = torch.cat([whole(inputs[i : i + 1], targets[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone)


def test_with_a_shortcut_it_starts_as_a_linear_regression() -> None:
    mixed = network(shortcut=True, slices=3)
    weights, offsets = torch.rand(4, 3), torch.rand(4) - 0.5
    mixed.start_from(weights, offsets)
    inputs = torch.rand(2, 3, 3, 18, 17)
    made = mixed(inputs, torch.tensor([1, 3]))
    for sample, target in enumerate((1, 3)):
        expected = (weights[target][:, None, None] * inputs[sample, :, 1]).sum(0) + offsets[target]
        torch.testing.assert_close(made[sample, 0], expected)
    with pytest.raises(ValueError, match="without shortcut"):
        network().start_from(weights, offsets)


def test_the_features_of_both_networks_can_be_compared() -> None:
    config = AEGANConfig(width=4, blocks=1, autoencoder_blocks=1)
    made, features = Synthesis(config).with_features(torch.rand(2, 3, 1, 32, 24), torch.tensor([0, 1]))
    logits, reconstruction, learned = Autoencoder(config)(made)
    assert [f.shape for f in features] == [f.shape for f in learned] == [(2, 8, 16, 12), (2, 4, 32, 24)]
    assert reconstruction.shape == made.shape
    assert logits.shape == (2, 1, 4, 3)
    torch.testing.assert_close(Autoencoder(config).eval().discriminate(made).shape, logits.shape)


@pytest.mark.parametrize("changes", [{"skips": True}, {"shortcut": True}, {}])
def test_air_stays_air(changes: dict[str, bool]) -> None:
    inputs = torch.rand(1, 3, 1, 16, 16)
    inputs[..., :5] = -1
    made = network(**changes)(inputs, torch.tensor([2]))
    assert (made[..., :5] == -1).all()
    assert (made[..., 5:] != -1).all()


def test_too_few_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match="takes 3 contrasts of 1 planes"):
        network()(torch.rand(1, 2, 1, 16, 16), torch.tensor([0]))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"contrasts": ("t1",)}, "at least two"),
        ({"contrasts": ("t1", "t1")}, "different names"),
        ({"width": 128}, "between 4 and 64"),
        ({"slices": 2}, "odd"),
        ({"dropout": 1.0}, "dropout"),
        ({"blocks": 0}, "residual blocks"),
        ({"depth": 3}, "no depth"),
    ],
)
def test_a_config_that_makes_no_network(values: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        AEGANConfig.from_dict(values)


def test_a_config_survives_its_table() -> None:
    config = AEGANConfig(width=16, slices=3, contrasts=("a", "b"))
    assert AEGANConfig.from_dict({**config.to_dict(), "contrasts": ["a", "b"]}) == config
