"""`Frequencies`: analyses images, changes their bands, and keeps the analyses that may be asked for again."""

from __future__ import annotations

from collections import Counter, OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import torch

from napari_medfreq.engine.frequencies.lattices import lattice_of
from napari_medfreq.engine.frequencies.pieces import piece_count, pieces, view_of
from napari_medfreq.engine.frequencies.pixels import Pixels, checked, notes_on, to_pixels
from napari_medfreq.engine.frequencies.results import Analysis, BandMeasure, shares
from napari_medfreq.engine.frequencies.transforms import energy_weights, in_units, nyquist, transform_for, unit_of
from napari_medfreq.errors import InputError
from napari_medfreq.transforms.bands import with_gains
from napari_medfreq.transforms.nonsubsampled import NonsubsampledContourlet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt
    from torch import Tensor

    from napari_medfreq.engine.frequencies.options import FrequencyOptions, Gains
    from napari_medfreq.engine.options import Sink
    from napari_medfreq.transforms.bands import Band, BandKey, Transform
    from napari_medfreq.volume import Volume

_BUDGET = 256 * 2**20
# Of a whole volume: its pixels, its coefficients, and what the transforms need while they work (complex numbers).
_COPIES = 7


@dataclass(frozen=True, eq=False)
class Analysed:
    """A plane or a volume and its coefficients, which are computed when they are first asked for.

    Attributes
    ----------
    name : str
        Of the image, for what is said of it.
    transform : Transform
        What parts it into bands.
    pixels : Pixels
        What the transform sees of it.
    dims : int
        How many of its last axes are transformed.
    """

    name: str
    transform: Transform[Any]
    pixels: Pixels
    dims: int

    @cached_property
    def coefficients(self) -> Any:
        """What the transform gives.

        Raises
        ------
        InputError
            If the image is too small for it.
        """
        with self._explaining(), torch.inference_mode():
            return self.transform(self.pixels.values)

    @property
    def parts(self) -> dict[BandKey, Tensor]:
        """The coefficients of each band."""
        return self.transform.split(self.coefficients)

    def parts_on_image(self) -> dict[BandKey, Tensor]:
        """Return the coefficients of each band without those of the image's continuation beyond its edges."""
        parts, found = self.parts, {}
        transform: Any = self.transform
        shape = self.pixels.values.shape[-self.dims :]
        for band in transform.layout():
            lattice, part = lattice_of(transform, band), parts[band.key]
            found[band.key] = part if lattice is None else lattice.on_image(part, shape)[0]
        return found

    @property
    def nbytes(self) -> int:
        """Memory of the pixels and of the coefficients, if there are any yet."""
        parts = self.parts.values() if "coefficients" in self.__dict__ else ()
        return sum(part.nbytes for part in (self.pixels.values, *parts))

    def filtered(self, gains: Gains) -> npt.NDArray[np.float32]:
        """Return the image with its bands multiplied by `gains`.

        Raises
        ------
        InputError
            If the image is too small for the transform.
        """
        if all(gain == 1.0 for gain in gains.values()):
            return self.pixels.restore(self.pixels.values.clone())
        with self._explaining(), torch.inference_mode():
            if isinstance(self.transform, NonsubsampledContourlet):
                # One mask for all bands instead of a transform of each.
                return self.pixels.restore(self.transform.with_gains(self.pixels.values, gains))
            return self.pixels.restore(with_gains(self.transform, self.coefficients, gains))

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            shape = " x ".join(map(str, self.pixels.values.shape))
            raise InputError(
                f"{self.name} ({shape} pixels) cannot be transformed so: {error}. Ask for fewer scales, or choose a "
                "larger image."
            ) from error


class Frequencies:
    """Looks at images through transforms.

    Parameters
    ----------
    budget : int
        Bytes of analyses that are kept, besides the last one.
    """

    def __init__(self, budget: int = _BUDGET) -> None:
        self._budget = budget
        self._kept: OrderedDict[tuple[object, ...], Analysed] = OrderedDict()

    def layout(self, volume: Volume, options: FrequencyOptions) -> tuple[Band, ...]:
        """Return the bands that `options` part `volume` into."""
        first = next(pieces(checked(volume), options)).image
        return transform_for(options, first).layout()

    def analyse(self, volume: Volume, options: FrequencyOptions, sink: Sink) -> Analysis:
        """Return what each band holds of `volume`, over all its channels, frames and planes.

        Raises
        ------
        InputError
            If the image cannot be transformed so; the message says why and what to do.
        Cancelled
            From ``sink.check``.
        """
        image = checked(volume)
        for note in notes_on(image):
            sink.note(note)
        total = piece_count(image, options)
        squares: Counter[BandKey] = Counter()
        counts: Counter[BandKey] = Counter()
        for number, piece in enumerate(pieces(image, options)):
            sink.check()
            analysed = self.analysed(piece.image, options) if total == 1 else analyse(piece.image, options)
            for key, part in analysed.parts_on_image().items():
                squares[key] += float(part.double().square_().sum())  # type: ignore[assignment]
                counts[key] += part.numel()
            sink.progress(number + 1, total, "analysing")
        if total == 1 and analysed.dims == 2:
            # Masks of the inverse are made once for each size: now, not at the first step of a slider.
            analysed.filtered({next(iter(squares)): 0.0})
        return Analysis(
            options, _measures(analysed.transform, piece.image, squares, counts), unit_of(image), nyquist(piece.image)
        )

    def filtered(self, volume: Volume, options: FrequencyOptions, gains: Gains, sink: Sink) -> Volume:
        """Return `volume`, float32, with its bands multiplied by `gains`; bands without a gain stay as they are.

        Raises
        ------
        InputError
            If the image cannot be transformed so, or there is no such band.
        Cancelled
            From ``sink.check``.
        """
        image = checked(volume)
        self.select(self.layout(image, options), gains)
        total = piece_count(image, options)
        name = f"{volume.name} · bands"
        if total == 1:
            (piece,) = pieces(image, options)
            changed = self.analysed(piece.image, options).filtered(gains).reshape(image.data.shape)
            return image.like(changed, axes=image.axes, channels=image.channels, name=name)
        array = sink.allocate("filtered", image.data.shape, "float32")
        result = image.like(array, axes=image.axes, channels=image.channels, name=name)
        for number, piece in enumerate(pieces(image, options)):
            sink.check()
            view_of(result, options, piece)[...] = analyse(piece.image, options).filtered(gains)
            sink.partial("filtered", piece.region)
            sink.progress(number + 1, total, "changing the bands")
        return result

    def analysed(self, image: Volume, options: FrequencyOptions) -> Analysed:
        """Return the analysis of the piece `image`, from those that were kept where it is among them."""
        key = (_digest(image), image.spacing, image.calibrated, replace(options, plane="axial"))
        found = self._kept.get(key)
        if found is None:
            found = analyse(image, options)
            self._kept[key] = found
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > self._budget:
            self._kept.popitem(last=False)
        return found

    def select(self, layout: Sequence[Band], keys: Iterable[BandKey]) -> tuple[Band, ...]:
        """Return the bands `keys` in the order of `layout`.

        Raises
        ------
        InputError
            If there is no such band.
        """
        wanted = set(keys)
        if unknown := sorted(wanted - {band.key for band in layout}):
            raise InputError(
                f"There is no band {', '.join(map(str, unknown))}. The bands (scale:direction) are "
                f"{', '.join(str(band.key) for band in layout)}."
            )
        return tuple(band for band in layout if band.key in wanted)


def analyse(image: Volume, options: FrequencyOptions) -> Analysed:
    """Return the analysis of the piece `image`.

    Raises
    ------
    InputError
        If it cannot be transformed so.
    """
    shape = image.spatial_shape
    if min(shape) < 2:
        raise InputError(
            f"{image.name} is only one pixel thin here ({' x '.join(map(str, shape))}): it has no frequencies across. "
            "Choose another plane."
        )
    if len(shape) == 3:
        check_room(image.name, image.data.size * 4 * _COPIES)
    return Analysed(image.name, transform_for(options, image), to_pixels(image), len(shape))


def check_room(name: str, needed: int) -> None:
    """Raise an `InputError` if there are less than `needed` bytes of memory for the transform of `name`."""
    free = psutil.virtual_memory().available
    if needed > free:
        raise InputError(
            f"This transform of {name} takes {needed / 1e9:.1f} GB of memory, but only {free / 1e9:.1f} GB are free. "
            "Look at a single plane or band, crop the image, or close other programs."
        )


def _measures(
    transform: Transform[Any], image: Volume, squares: Mapping[BandKey, float], counts: Mapping[BandKey, int]
) -> tuple[BandMeasure, ...]:
    weights = energy_weights(transform)
    energies = {key: weights.get(key, 1.0) * square for key, square in squares.items()}
    parts = shares(energies)
    return tuple(
        BandMeasure(
            band,
            in_units(transform, band, image.spacing),
            energies[band.key],
            parts[band.key],
            (squares[band.key] / max(counts[band.key], 1)) ** 0.5,
            counts[band.key],
        )
        for band in transform.layout()
    )


def _digest(image: Volume) -> bytes:
    """Return what tells the pixels of `image` from all others; of a volume, one plane is copied at a time."""
    state = blake2b(repr((image.data.shape, image.data.dtype.str)).encode(), digest_size=16)
    for plane in image.data if image.data.ndim > 2 else (image.data,):
        state.update(np.ascontiguousarray(plane).data)
    return state.digest()
