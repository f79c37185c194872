"""The missing contrast of a whole study, plane by plane, on the grid of the first contrast offered.

Memory, for V voxels of the box around the head and n contrasts: 2 (n - 1) V bytes for the scaled inputs, 4 bytes for
each voxel of the result, and what one batch of planes needs; while an input is scaled, 9 bytes for each of its voxels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file

from napari_medfreq.engine.device import pick_device, pick_precision
from napari_medfreq.engine.memory import is_out_of_memory, release
from napari_medfreq.engine.provenance import describe
from napari_medfreq.engine.synthesis_inputs import Contrasts, prepare
from napari_medfreq.engine.synthesis_options import SYNTHETIC, SynthesisOptions, SyntheticContrast
from napari_medfreq.errors import ComputeError, InputError, ModelError
from napari_medfreq.io.models import open_model, verify
from napari_medfreq.nn.aegan import AEGANConfig, Synthesis
from napari_medfreq.nn.aegan_contrasts import inputs_for, missing_contrast
from napari_medfreq.nn.aegan_inputs import RULE, bounding_box, foreground, scaled
from napari_medfreq.nn.aegan_planes import synthesise_planes
from napari_medfreq.volume import Orientation, Volume, display_orientation

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt
    import torch

    from napari_medfreq.engine.options import Sink
    from napari_medfreq.io.models import ModelFolder


def load_synthesis(folder: ModelFolder) -> Synthesis:
    """Return the network of a synthesis model with its weights: on the CPU, float32, in evaluation mode.

    Raises
    ------
    ModelError
        If the hash is wrong, or the weights do not fit the network of the config.
    """
    verify(folder)
    try:
        network = Synthesis(AEGANConfig.from_dict(folder.network))
        network.load_state_dict({name: tensor.float() for name, tensor in load_file(folder.weights).items()})
    except (TypeError, ValueError, RuntimeError, SafetensorError, OSError) as error:
        raise ModelError(f"{folder.path}: the network cannot be built: {error}. Fetch the model again.") from error
    return network.eval().requires_grad_(False)


class Synthesizer:
    """Makes the missing contrast with one model; keeps its weights loaded.

    Parameters
    ----------
    folder : ModelFolder
        Of kind ``synthesis``.
    network : Synthesis
        From `load_synthesis`.
    """

    def __init__(self, folder: ModelFolder, network: Synthesis) -> None:
        self.folder = folder
        self.network = network

    @classmethod
    def open(cls, model: str | Path) -> Synthesizer:
        """Return the synthesizer of a model, given by its name or folder, with its weights loaded and checked.

        Raises
        ------
        ModelError
            If there is no such model, it does other work, or it is damaged.
        """
        folder = open_model(model, kind="synthesis")
        return cls(folder, load_synthesis(folder))

    def synthesize(self, volumes: Mapping[str, Volume], options: SynthesisOptions, sink: Sink) -> SyntheticContrast:
        """Make the contrast that is missing; it appears in the array ``synthetic`` of `sink` batch by batch.

        Parameters
        ----------
        volumes : mapping of str to Volume
            By contrast. The result has the grid of the first that is used.
        options : SynthesisOptions
            Target, intensity, device ...
        sink : Sink
            Told of progress, asked for the array, and heard before every batch whether to go on.

        Raises
        ------
        InputError
            If the contrasts do not fit the model or each other; the reason is said.
        ComputeError
            If the memory suffices for not even one plane.
        Cancelled
            From ``sink.check``.
        """
        started = perf_counter()
        contrasts = self.network.config.contrasts
        try:
            target = missing_contrast(contrasts, volumes, options.target)
        except ValueError as error:
            raise InputError(f"{self.folder.title}: {error}") from error
        order = inputs_for(contrasts, target)
        prepared = prepare({name: volume for name, volume in volumes.items() if name in order})
        device = pick_device(options.device)
        precision = pick_precision(options.precision, device)
        run = _Run(self.network.to(device), prepared, order, contrasts.index(target), options, sink)
        for note in prepared.notes:
            sink.note(note)
        made = run.all_planes(precision)
        said = describe(
            self.folder,
            prepared.reference,
            options,
            device=device,
            precision=precision,
            seconds=perf_counter() - started,
            notes=[*prepared.notes, *run.notes],
        )
        said |= {"synthetic": True, "target": target, "inputs": _sources(prepared, order), "intensities": run.rule}
        return SyntheticContrast(_volume(prepared.reference, made, target, self.folder), target, order, said)


@dataclass
class _Run:
    """One request while it is computed."""

    network: Synthesis
    prepared: Contrasts
    order: tuple[str, ...]
    target: int
    options: SynthesisOptions
    sink: Sink
    notes: list[str] = field(default_factory=list)

    @property
    def rule(self) -> str:
        """What the intensities of the result mean."""
        return (
            f"0 is no signal; {self.options.top:g} stands for twice the 95 percentile of the contrast within the head. "
            f"Inputs: {RULE}."
        )

    def all_planes(self, precision: torch.dtype) -> npt.NDArray[np.float32]:
        """Make all planes, fewer at a time where the memory does not suffice."""
        reference = self.prepared.reference
        result: Any = self.sink.allocate("synthetic", reference.data.shape, "float32")
        orientation = display_orientation(reference)
        shown = orientation.apply(result)
        heads = [foreground(orientation.apply(self.prepared.volumes[name].data)) for name in self.order]
        head = np.logical_or.reduce(heads)
        box = bounding_box(head)
        head = head[box]
        stacks = np.stack(
            [scaled(orientation.apply(self.prepared.volumes[n].data))[box].astype(np.float16) for n in self.order]
        )
        start, total, batch = 0, stacks.shape[1], self.options.batch
        while start < total:
            self.sink.check()
            made = self._attempt(stacks, start, batch, precision)
            if made is None:
                batch = self._fewer(batch)
                continue
            stop = start + len(made)
            rows = slice(box[0].start + start, box[0].start + stop)
            shown[rows, box[1], box[2]] = np.where(head[start:stop], made, 0) * np.float32(self.options.top)
            self.sink.partial("synthetic", _region(orientation, reference.data.shape, rows))
            self.sink.progress(stop, total, f"slice {stop} of {total}")
            start = stop
        return result  # type: ignore[no-any-return]

    def _attempt(
        self, stacks: npt.NDArray[np.float16], start: int, batch: int, precision: torch.dtype
    ) -> npt.NDArray[np.float32] | None:
        """Return the planes from `start` on, or None where the memory did not suffice."""
        slices = self.network.config.slices
        try:
            planes = synthesise_planes(
                self.network, stacks, self.target, slices=slices, batch=batch, precision=precision, first=start
            )
            return next(planes)[1]
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None

    def _fewer(self, batch: int) -> int:
        release(next(self.network.parameters()).device)
        if batch == 1:
            raise ComputeError(
                "There is not enough memory for even one slice. Close other programs, or choose the processor (cpu)."
            )
        amount = "one slice" if batch < 4 else f"{batch // 2} slices"
        text = f"Not enough memory: going on with {amount} at once."
        self.notes.append(text)
        self.sink.note(text)
        return batch // 2


def _region(orientation: Orientation, shape: tuple[int, ...], rows: slice) -> tuple[tuple[int, int], ...]:
    """Return where the shown planes `rows` lie in the array itself."""
    axis, flipped = orientation.order[0], orientation.flips[0]
    span = (shape[axis] - rows.stop, shape[axis] - rows.start) if flipped else (rows.start, rows.stop)
    return tuple(span if at == axis else (0, side) for at, side in enumerate(shape))


def _volume(reference: Volume, data: npt.NDArray[np.float32], target: str, folder: ModelFolder) -> Volume:
    header = {**reference.header, "notes": [], "synthetic": f"{SYNTHETIC} {target} by {folder.name}"}
    return reference.like(data, name=f"{SYNTHETIC} {target}", kind="image", source=None, header=header)


def _sources(prepared: Contrasts, order: tuple[str, ...]) -> dict[str, str]:
    found = {name: prepared.volumes[name] for name in order}
    return {name: volume.name if volume.source is None else str(volume.source) for name, volume in found.items()}
