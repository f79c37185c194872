"""What can be asked about the frequencies of images: plain data, no torch.

All requests are complete in themselves: the compute side keeps the analyses of the images that it saw last (told by
their content, not by a promise of the caller) and takes them up where an image and its options come again. Dragging a
slider therefore costs the crossing of one slice and the inverse transform.

Images may be of any real dtype and may hold channels: each channel is transformed on its own (an ``alpha`` channel is
left out). Voxels that are NaN or infinite are taken as the mean of the others and stay NaN in changed images. Of frames
(``t``) the slice is what `napari_medfreq.engine.anatomy.plane_of` cuts out. Computation and results are float32. What
cannot be done (complex numbers, masks, a plane one pixel thin ...) ends the job with an `InputError` in plain words;
what the user should know (NaN, constant image) arrives as `Note`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_medfreq.engine.frequencies.options import BandKey, Form, FrequencyOptions, Gains
from napari_medfreq.engine.frequencies.results import Analysis, BandImage, Coefficients, Listening, Needs, Spectrum
from napari_medfreq.jobs.messages import Request
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    from napari_medfreq.engine.anatomy import Plane


@dataclass(frozen=True, eq=False)
class AnalyseRequest(Request[Analysis]):
    """Say which bands there are and what each holds of `volume`.

    Send the plane on screen (``plane_of(volume, options.plane, index, frame)``): quick, and kept for `FilterRequest`
    and `BandsRequest`. A 3D volume is analysed whole: plane by plane with `Progress` and never more than one plane as
    float, or at once where ``options.scope`` is ``volume``.
    """

    volume: Volume
    options: FrequencyOptions = field(default_factory=FrequencyOptions)


@dataclass(frozen=True, eq=False)
class FilterRequest(Request[Volume]):
    """Return `volume` with its bands multiplied by `gains`: float32, same shape, channels, affine and range of values.

    Bands without a gain stay as they are; an unknown band is an `InputError`. A 3D volume arrives in
    ``Allocated("filtered", array)`` and, plane by plane, `Partial`, as the options of `AnalyseRequest` say.

    For a slider, submit through `napari_medfreq.jobs.latest.Latest`, which drops what was not begun yet.
    """

    volume: Volume
    options: FrequencyOptions = field(default_factory=FrequencyOptions)
    gains: Gains = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class BandsRequest(Request[tuple[BandImage, ...]]):
    """Return the bands `keys` of a plane (or, with ``options.scope`` ``volume``, of a volume) as images.

    ``coefficients`` are the numbers themselves: a decimated band is a small image with large voxels, placed so that it
    lies on `volume`. ``component`` is what the band contributes to the image, on the grid of `volume`: all components
    add up to the image. Bands whose coefficients lie in the plane of frequencies and not in the image (global DCT,
    Fourier) are always given as components; `BandImage.form` says what was given. Both are axis by axis those of
    `volume`, but for coefficients of a 3D volume, which come in display orientation. What does not fit into memory is
    an `InputError`.
    """

    volume: Volume
    options: FrequencyOptions = field(default_factory=FrequencyOptions)
    keys: tuple[BandKey, ...] = ()
    form: Form = "coefficients"


@dataclass(frozen=True, eq=False)
class CoefficientsRequest(Request[Coefficients]):
    """Return all coefficients of `volume`, to be saved (`napari_medfreq.io.coefficients`).

    Of a 3D volume that is transformed plane by plane the planes follow one another along the first axis but for
    channels or frames. What does not fit into memory is an `InputError`.
    """

    volume: Volume
    options: FrequencyOptions = field(default_factory=FrequencyOptions)


@dataclass(frozen=True, eq=False)
class SpectrumRequest(Request[tuple[Spectrum, ...]]):
    """Return the radial power spectrum of each of `volumes`, in their order.

    Of a 3D volume the spectra of its `plane` planes are averaged, with `Progress` and one plane as float at a time.
    Frequencies are in cycles/mm, from the spacing of the pixels, or cycles/px where the image is not calibrated.
    """

    volumes: tuple[Volume, ...]
    plane: Plane = "axial"


@dataclass(frozen=True, eq=False)
class ListenRequest(Request[Listening]):
    """Say what `model` listens to in one plane: MSFG's attention per DCT coefficient, and the bands of its prompt.

    `volume` is the whole volume, so that the model sees the same intensities and neighbouring planes as in a
    segmentation; `plane`, `index` and `frame` name the plane as `plane_of` does. They mean nothing for 2D.
    """

    volume: Volume
    model: str
    plane: Plane = "axial"
    index: int = 0
    frame: int = 0


@dataclass(frozen=True, eq=False)
class NeedsRequest(Request[Needs]):
    """Say what `model` needs: the Dice of its mask of one plane as each band of `options` is muted in turn.

    The plane is named as in `ListenRequest`, but by ``options.plane``; where the model sees neighbouring planes the
    band is muted in them as well. Before anything is computed ``Allocated("dice", array)`` arrives: float64, one entry
    each band in the order of the layout (see `AnalyseRequest`). ``Partial("dice", ((i, i + 1),))`` says that
    entry `i` is there (until then it means nothing), and `Progress` goes along. Cancelled between two bands.

    Parameters
    ----------
    keys : tuple of BandKey
        Only these bands; by default all. The array and the result hold these alone, in the order of the layout.
    """

    volume: Volume
    model: str
    options: FrequencyOptions = field(default_factory=FrequencyOptions)
    index: int = 0
    frame: int = 0
    keys: tuple[BandKey, ...] = ()
