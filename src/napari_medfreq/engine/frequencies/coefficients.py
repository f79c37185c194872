"""All coefficients of an image, to be saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_medfreq.engine.anatomy import plane_count
from napari_medfreq.engine.frequencies.analysis import analyse, check_room
from napari_medfreq.engine.frequencies.pieces import in_three_dimensions, piece_count, pieces
from napari_medfreq.engine.frequencies.pixels import checked
from napari_medfreq.engine.frequencies.results import Coefficients

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_medfreq.engine.frequencies.analysis import Frequencies
    from napari_medfreq.engine.frequencies.options import FrequencyOptions
    from napari_medfreq.engine.frequencies.pieces import Piece
    from napari_medfreq.engine.options import Sink
    from napari_medfreq.transforms.bands import BandKey
    from napari_medfreq.volume import Volume


def coefficients(frequencies: Frequencies, volume: Volume, options: FrequencyOptions, sink: Sink) -> Coefficients:
    """Return all coefficients of `volume`, as `napari_medfreq.jobs.frequency_requests.CoefficientsRequest` says.

    Raises
    ------
    InputError
        If the image cannot be transformed so, or its coefficients do not fit into memory.
    Cancelled
        From ``sink.check``.
    """
    image = checked(volume)
    total = piece_count(image, options)
    lead = _lead(image, options)
    arrays: dict[BandKey, npt.NDArray[Any]] = {}
    for number, piece in enumerate(pieces(image, options)):
        sink.check()
        analysed = frequencies.analysed(piece.image, options) if total == 1 else analyse(piece.image, options)
        parts = analysed.parts
        if not arrays:
            check_room(image.name, total * sum(part.nbytes for part in parts.values()))
            arrays = {key: sink.allocate(str(key), (*lead, *part.shape), "float32") for key, part in parts.items()}
        for key, part in parts.items():
            arrays[key][_where(piece, lead)] = part.numpy()
        sink.progress(number + 1, total, "coefficients")
    return Coefficients(options, analysed.transform.layout(), arrays, image.data.shape)


def _lead(image: Volume, options: FrequencyOptions) -> tuple[int, ...]:
    """Return the lengths of the axes that number the pieces."""
    if in_three_dimensions(image, options):
        return image.data.shape[:-3]
    frames = image.data.shape[:1] if image.axes[0] == "t" else ()
    return frames + ((plane_count(image, options.plane),) if len(image.spatial_axes) == 3 else ())


def _where(piece: Piece, lead: tuple[int, ...]) -> tuple[int, ...]:
    """Return the place of `piece` among axes of the lengths `lead`."""
    if len(lead) == 2:
        return piece.lead, piece.index
    # One of the two numbers counts, the other is 0.
    return (piece.lead + piece.index,) if lead else ()
