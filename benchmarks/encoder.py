"""Our MiT encoder and the whole of MMSNet-B0 beside the SegFormer of transformers, with the same weights, 352x352."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.duel import duel, medians, ratio
from benchmarks.networks import SIDE
from benchmarks.report import Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from napari_medfreq.nn.mit import Variant


def _image(batch: int = 1) -> Tensor:
    import torch

    return torch.rand(batch, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def transformers_encoder(precision: str, variant: Variant = "b0", batch: int = 1) -> Callable[[], object]:
    """SegformerModel as transformers gives it."""
    import torch

    dtype = getattr(torch, precision)
    network = _segformer(variant).to(dtype)
    return _timed(lambda image: network(image.to(dtype), output_hidden_states=True).hidden_states, batch)


def our_encoder(precision: str, variant: Variant = "b0", batch: int = 1) -> Callable[[], object]:
    """Our encoder with the weights of the other, in a process set up as the compute process is.

    Refuses to start if its outputs differ.
    """
    import torch
    from safetensors.torch import load_file

    from napari_medfreq.engine.device import tune_allocator
    from napari_medfreq.nn.mit import MiTConfig, MixTransformer
    from napari_medfreq.nn.packed_mit import packed
    from napari_medfreq.nn.segformer import load_segformer

    tune_allocator()
    other = _segformer(variant)
    network = MixTransformer(MiTConfig(variant)).eval()
    # The public weights are in the layout of the saved file; in memory transformers names its tensors otherwise.
    with tempfile.TemporaryDirectory() as folder:
        other.save_pretrained(folder)
        load_segformer(network, load_file(Path(folder) / "model.safetensors"))
    with torch.inference_mode():
        theirs = other(_image(), output_hidden_states=True).hidden_states
        for ours, reference in zip(packed(network, torch.float32)(_image()), theirs, strict=True):
            torch.testing.assert_close(ours, reference, atol=1e-5, rtol=1e-4)
    return _timed(packed(network, getattr(torch, precision)), batch)


def _segformer(variant: Variant) -> Any:
    """Return transformers' encoder of the same variant with random weights, the same in every process."""
    import torch
    from transformers import SegformerConfig, SegformerModel

    from napari_medfreq.nn.mit import MiTConfig

    torch.manual_seed(0)
    config = MiTConfig(variant)
    return SegformerModel(SegformerConfig(hidden_sizes=list(config.widths), depths=list(config.depths))).eval()


def transformers_segformer() -> Callable[[], object]:
    """SegFormer-B0 with its head, enlarged to the size of the image as its documentation shows."""
    import torch
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    network = SegformerForSemanticSegmentation(SegformerConfig(num_labels=2)).eval()

    def segment(image: Tensor) -> Tensor:
        return torch.nn.functional.interpolate(network(image).logits, image.shape[-2:], mode="bilinear")

    return _timed(segment)


def our_network(precision: str) -> Callable[[], object]:
    """MMSNet-B0 with all its parts, in a process set up as the compute process is."""
    import torch

    from napari_medfreq.engine.device import tune_allocator
    from napari_medfreq.engine.predictor import place
    from napari_medfreq.nn.mmsnet import MMSNet, MMSNetConfig

    tune_allocator()
    network = MMSNet(MMSNetConfig(classes=2))
    return _timed(place(network, torch.device("cpu"), getattr(torch, precision)).network)


def _timed(network: Callable[[Tensor], object], batch: int = 1) -> Callable[[], object]:
    import torch

    image = _image(batch)

    def run() -> object:
        with torch.inference_mode():
            return network(image)

    return run


def run() -> list[Result]:
    """Measure."""
    encoder = duel(
        {
            "transformers float32": (transformers_encoder, "float32"),
            "transformers bfloat16": (transformers_encoder, "bfloat16"),
            "ours float32": (our_encoder, "float32"),
            "ours bfloat16": (our_encoder, "bfloat16"),
        }
    )
    larger = {}
    for name, size in {"MiT-B0, 8 images": ("b0", 8), "MiT-B2": ("b2", 1)}.items():
        larger[name] = duel(
            {
                "transformers float32": (transformers_encoder, "float32", *size),
                "ours float32": (our_encoder, "float32", *size),
                "ours bfloat16": (our_encoder, "bfloat16", *size),
            },
            rounds=5,
        )
    whole = duel(
        {
            "SegFormer-B0 float32": (transformers_segformer,),
            "MMSNet-B0 float32": (our_network, "float32"),
            "MMSNet-B0 bfloat16": (our_network, "bfloat16"),
        }
    )
    times = medians(encoder)
    fast = ratio(encoder, "transformers float32", "ours float32")
    faster = ratio(encoder, "transformers float32", "ours bfloat16")
    equal = ratio(encoder, "transformers bfloat16", "ours bfloat16")
    network = ratio(whole, "SegFormer-B0 float32", "MMSNet-B0 float32")
    lean = ratio(whole, "SegFormer-B0 float32", "MMSNet-B0 bfloat16")
    return [
        Result("MiT-B0 encoder, float32, ahead of transformers", fast, "x", 2.0, True, times),
        Result("MiT-B0 encoder, bfloat16, ahead of transformers in float32", faster, "x", 4.0, True, {}),
        Result("MiT-B0 encoder, bfloat16, ahead of transformers in bfloat16", equal, "x", None, True, {}),
        *(
            Result(
                f"{name}, {precision}, ahead of transformers in float32",
                ratio(rounds, "transformers float32", f"ours {precision}"),
                "x",
                None,
                True,
                medians(rounds),
            )
            for name, rounds in larger.items()
            for precision in ("float32", "bfloat16")
        ),
        Result("MMSNet-B0 whole, float32, ahead of SegFormer-B0", network, "x", 1.0, True, medians(whole)),
        Result("MMSNet-B0 whole, bfloat16, ahead of SegFormer-B0 in float32", lean, "x", None, True, {}),
    ]
