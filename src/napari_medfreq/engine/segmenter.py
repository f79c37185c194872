"""`Segmenter`: a model that is ready to segment volumes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

import torch

from napari_medfreq.engine.device import pick_device, pick_precision
from napari_medfreq.engine.grid import Grid, grid_for
from napari_medfreq.engine.memory import Footprint, first_footprint, is_out_of_memory, release, step_down
from napari_medfreq.engine.monte_carlo import Sampling, sampling
from napari_medfreq.engine.outputs import Outputs
from napari_medfreq.engine.predictor import Predictor, place
from napari_medfreq.engine.preprocess import prepare
from napari_medfreq.engine.provenance import describe
from napari_medfreq.engine.regions import measure
from napari_medfreq.engine.slices import Planes, cut
from napari_medfreq.engine.tiling import predict_tiled, tile_count
from napari_medfreq.engine.uncertainty import calibrated
from napari_medfreq.engine.weights import load_network
from napari_medfreq.io.models import open_model

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from napari_medfreq.engine.options import Precision, Segmentation, SegmentOptions, Sink
    from napari_medfreq.io.models import ModelFolder
    from napari_medfreq.nn.mmsnet import MMSNet
    from napari_medfreq.volume import Volume


class Segmenter:
    """Segments volumes with one model.

    Parameters
    ----------
    folder : ModelFolder
        What the model wants to see and what it finds.
    network : MMSNet
        Its network with weights, on the CPU, float32.
    device : str
        Where to compute if a request leaves it open.

    Examples
    --------
    >>> segmenter = Segmenter.open("mmsnet-mix-b0")  # doctest: +SKIP
    >>> segmentation = segmenter.segment(volume, SegmentOptions(passes=20), sink)  # doctest: +SKIP
    """

    def __init__(self, folder: ModelFolder, network: MMSNet, device: str = "auto") -> None:
        self.folder = folder
        self._network = network.eval()
        self._device = device
        self._predictor: Predictor | None = None

    @classmethod
    def open(cls, model: str | Path, device: str = "auto") -> Segmenter:
        """Return the segmenter of a model, given by its name or folder, with its weights loaded and checked.

        Raises
        ------
        ModelError
            If there is no such model, or it is damaged.
        InputError
            If there is no such device.
        """
        pick_device(device)
        folder = open_model(model)
        return cls(folder, load_network(folder), device)

    def segment(self, volume: Volume, options: SegmentOptions, sink: Sink) -> Segmentation:
        """Segment `volume`; results appear in the arrays of `sink` batch by batch.

        Parameters
        ----------
        volume : Volume
            2D, 3D, with channels or frames; any real dtype, any orientation.
        options : SegmentOptions
            Device, passes, threshold ...
        sink : Sink
            Told of progress, asked for arrays, and heard before every tile and pass whether to go on.

        Returns
        -------
        Segmentation
            On the grid of `volume`: same shape, affine and orientation.

        Raises
        ------
        InputError
            If the volume does not fit the model.
        ComputeError
            If the memory suffices for nothing.
        Cancelled
            From ``sink.check``.
        """
        started = perf_counter()
        device = pick_device(self._device if options.device == "auto" else options.device)
        prepared = prepare(volume, self.folder.input)
        planes = cut(volume, prepared, options.axis)
        grid = grid_for(planes, self.folder.input)
        footprint = first_footprint(device, grid.padded, options.batch, options.tile)
        outputs = Outputs.allocate(sink, volume, prepared, self.folder.labels, uncertain=options.passes > 0)
        run = _Run(self, planes, grid, outputs, options, sink)
        for note in (*prepared.notes, *self._notes(volume)):
            run.note(note)
        if prepared.constant:
            run.note(f"{volume.name} has the same value everywhere: there is nothing to segment in it.")
            outputs.announce(sink)
        else:
            footprint = run.all_planes(footprint)
        regions = measure(volume, self.folder.labels, outputs.labels, outputs.probability, outputs.uncertainty)
        provenance = describe(
            self.folder,
            volume,
            options,
            device=footprint.device,
            precision=pick_precision(options.precision, footprint.device),
            seconds=perf_counter() - started,
            notes=run.notes,
        )
        folder = self.folder if options.calibrated else replace(self.folder, calibration=None)
        return outputs.result(volume, folder, regions, provenance)

    def predictor(self, device: torch.device, precision: Precision) -> Predictor:
        """Return the network on `device` in `precision`; the last one is kept."""
        dtype = pick_precision(precision, device)
        last = self._predictor
        if last is None or last.device != device or last.precision != dtype:
            self._predictor = None
            self._predictor = last = place(self._network, device, dtype)
        return last

    def sampling(self, options: SegmentOptions) -> Sampling | None:
        """Return how the Monte Carlo passes differ; the same for every slice and tile, so that they agree."""
        return sampling(self._network, options)

    def _notes(self, volume: Volume) -> list[str]:
        notes, spec = [], self.folder.input
        if spec.spacing is not None and not volume.calibrated:
            notes.append(f"{volume.name} states no pixel size; 1 mm was assumed, which the model needs to know.")
        if spec.slices > 1 and (len(volume.spatial_axes) == 2 or 1 in volume.spatial_shape):
            notes.append(f"{volume.name} is a single slice; the model expects to see its neighbours as well.")
        if len(volume.spatial_axes) == 3 and spec.spacing is None and spec.slices == 1:
            kinds = ", ".join(spec.modalities) or "pictures"
            notes.append(f"{self.folder.title} was made for pictures ({kinds}); {volume.name} is a volume.")
        field_of_view = max(n * step for n, step in zip(volume.spatial_shape, volume.spacing, strict=True))
        if spec.spacing is not None and volume.calibrated and field_of_view > 2 * spec.size * spec.spacing:
            notes.append(
                f"{self.folder.title} was trained on crops of {spec.size * spec.spacing:.0f} mm; {volume.name} spans "
                f"{field_of_view:.0f} mm, so what is found outside of such a crop means nothing."
            )
        return notes


@dataclass
class _Run:
    """One request while it is computed."""

    segmenter: Segmenter
    planes: Planes
    grid: Grid
    outputs: Outputs
    options: SegmentOptions
    sink: Sink
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)
        self.sink.note(text)

    def all_planes(self, footprint: Footprint) -> Footprint:
        """Segment all planes, stepping down where the memory does not suffice; return the footprint of the last."""
        start, total = 0, self.planes.total
        plan = self.segmenter.sampling(self.options)
        while start < total:
            self.sink.check()
            stop = min(start + footprint.batch, total)
            if self._attempt(start, stop, footprint, plan):
                start = stop
                continue
            # Outside of the handler: the exception kept the frames alive that hold the large tensors.
            release(footprint.device)
            footprint, text = step_down(footprint, self.grid.padded, stop - start)
            self.note(text)
        return footprint

    def _attempt(self, start: int, stop: int, footprint: Footprint, plan: Sampling | None) -> bool:
        """Segment planes `start` to `stop`; return whether the memory sufficed."""
        try:
            with torch.inference_mode():
                self._batch(start, stop, footprint, plan)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return False
        return True

    def _batch(self, start: int, stop: int, footprint: Footprint, plan: Sampling | None) -> None:
        predictor = self.segmenter.predictor(footprint.device, self.options.precision)
        tiles = tile_count(self.grid.padded, footprint.tile)
        finished = 0

        def done() -> None:
            nonlocal finished
            finished += 1
            step = start * tiles + finished * (stop - start)
            self.sink.progress(step, self.planes.total * tiles, self._text(start, stop))

        native = self.planes.read(start, stop, self.segmenter.folder.input.slices)
        if footprint.device.type == "cuda":
            native = native.to(footprint.device)
        images = self.grid.to_working(native)
        first = partial(self._write, start) if tiles == 1 else None
        predict = partial(predictor, plan=plan, check=self.sink.check, first=first)
        self._write(start, predict_tiled(images, footprint.tile, predict, done))

    def _write(self, start: int, found: Tensor) -> None:
        """Write what was `found` in the planes from `start` on, (N, K [+ 1], h, w); see `monte_carlo.estimate`."""
        folder, options = self.segmenter.folder, self.options
        classes = 1 if len(folder.labels) == 1 else len(folder.labels) + 1
        mean, spread = self.grid.to_native(found[:, :classes]), None
        if found.shape[1] > classes:
            spread = self.grid.enlarge(found[:, classes:])
        if options.calibrated and folder.calibration is not None:
            mean = calibrated(mean, folder.calibration)
        self.outputs.write(self.sink, self.planes, start, mean, options.threshold, spread)

    def _text(self, start: int, stop: int) -> str:
        total = self.planes.total
        if total == 1:
            return "segmenting"
        return f"slice {stop} of {total}" if stop - start == 1 else f"slices {start + 1} to {stop} of {total}"
