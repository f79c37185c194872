"""Check a volume and match its channels with those that a model wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_medfreq.errors import InputError
from napari_medfreq.nn.inputs import intensity_range, luminance

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_medfreq.io.models import InputSpec
    from napari_medfreq.volume import Volume

_RGB = ("red", "green", "blue")


@dataclass(frozen=True)
class Prepared:
    r"""A volume in the channels of a model, not yet normalised.

    Attributes
    ----------
    data : numpy.ndarray, shape (frames, C, \*spatial)
        A view of the volume's data wherever possible.
    lead : {"", "t", "c"}
        What the frames are: nothing, points in time, or channels that a model of one channel sees one by one.
    repeat : int
        How often the one channel is repeated (grey to a model of colours).
    ranges : tuple of tuple of (float, float)
        For each frame and channel the intensities that become 0 and 1.
    notes : tuple of str
        What the user should know of how the image was read.
    """

    data: npt.NDArray[Any]
    lead: Literal["", "t", "c"]
    repeat: int
    ranges: tuple[tuple[tuple[float, float], ...], ...]
    notes: tuple[str, ...]

    @property
    def constant(self) -> bool:
        """Whether no channel holds anything but a single value, so that there is nothing to see."""
        if all(not high > low for frame in self.ranges for low, high in frame):
            return True
        # Bytes have a range of their own even where they are all the same.
        return all(bool((channel == channel.flat[0]).all()) for frame in self.data for channel in frame)


def prepare(volume: Volume, spec: InputSpec) -> Prepared:
    """Return `volume` in the channels that `spec` wants.

    Raises
    ------
    InputError
        If the data are empty, not real numbers or NaN throughout, or the channels do not fit.
    """
    notes: list[str] = []
    _check(volume, notes)
    data = volume.data[None] if volume.axes[0] not in "ct" else volume.data
    lead: Literal["", "t", "c"] = ""
    repeat = 1
    if volume.axes[0] == "c":
        picked, lead = _match_channels(volume, spec, notes)
        data = picked[:, None] if lead == "c" else picked[None]
    else:
        lead = "t" if volume.axes[0] == "t" else ""
        data = data[:, None]
    if data.shape[1] == 1 and len(spec.channels) > 1:
        repeat = _repeats(volume, spec)
    return Prepared(data, lead, repeat, _ranges(data, lead, spec), tuple(notes))


def _check(volume: Volume, notes: list[str]) -> None:
    data, name = volume.data, volume.name
    if 0 in data.shape:
        raise InputError(
            f"{name} is empty: its shape is {data.shape}. Check how it was exported, or choose another image."
        )
    if data.dtype.kind == "c":
        raise InputError(f"{name} holds complex numbers. Compute its magnitude first and segment that.")
    if data.dtype.kind not in "biuf":
        raise InputError(f"{name} holds {data.dtype}, not numbers. Choose an image.")
    if volume.kind == "labels":
        raise InputError(f"{name} is a mask, not an image. Choose the image that it belongs to.")
    if data.dtype.kind == "f":
        bad = data.size - int(np.count_nonzero(np.isfinite(data)))
        if bad == data.size:
            raise InputError(
                f"{name} holds no number at all: every voxel is NaN or infinite. Check how it was computed."
            )
        if bad:
            notes.append(f"{name}: {bad} of {data.size} voxels are NaN or infinite and were taken as 0.")


def _match_channels(volume: Volume, spec: InputSpec, notes: list[str]) -> tuple[npt.NDArray[Any], Literal["", "c"]]:
    """Return the channels in the order of `spec` (axis 0), and ``c`` if each is to be seen on its own."""
    data, names = volume.data, tuple(name.lower() for name in volume.channels)
    wanted = tuple(name.lower() for name in spec.channels)
    if "alpha" in names:
        notes.append(f"{volume.name}: its transparency channel was left out.")
        keep = [i for i, name in enumerate(names) if name != "alpha"]
        data, names = data[keep], tuple(names[i] for i in keep)
    count = len(data)
    if set(wanted) <= set(names):
        order = [names.index(name) for name in wanted]
        if count > len(wanted):
            notes.append(f"{volume.name}: of its channels {', '.join(names)} the model sees {', '.join(wanted)}.")
        return (data if order == list(range(count)) else data[order]), ""
    if len(wanted) == 1:
        if names == _RGB:
            notes.append(f"{volume.name} has colours; the model sees their luminance.")
            return luminance(data), ""
        if count > 1:
            notes.append(f"{volume.name}: its {count} channels were segmented one by one.")
        return data, "c" if count > 1 else ""
    if count == len(wanted):
        if names:
            pairs = ", ".join(f"{name} as {want}" for name, want in zip(names, wanted, strict=True))
            notes.append(f"{volume.name}: channels were taken in their order, {pairs}.")
        return data, ""
    if count == 1:
        return data, ""
    have = f" ({', '.join(names)})" if names else ""
    raise InputError(
        f"{volume.name} has {count} channels{have} for a {len(wanted)}-channel model, which wants "
        f"{', '.join(spec.channels)}. Choose these channels, or another model."
    )


def _repeats(volume: Volume, spec: InputSpec) -> int:
    if tuple(name.lower() for name in spec.channels) == _RGB:
        return len(spec.channels)
    raise InputError(
        f"{volume.name} has 1 channel for a {len(spec.channels)}-channel model, which wants "
        f"{', '.join(spec.channels)} together. Give it one image with all of them, or choose another model."
    )


def _ranges(data: npt.NDArray[Any], lead: str, spec: InputSpec) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Return the intensity range of each channel, one for all points in time; colours share theirs."""
    frames, channels = data.shape[:2]
    if spec.normalisation == "unit":
        groups = list(data) if lead == "c" else [data]
        per_frame = [(intensity_range(group, "unit"),) * channels for group in groups]
    elif lead == "c":
        per_frame = [(intensity_range(frame, "percentile"),) for frame in data]
    else:
        per_frame = [tuple(intensity_range(data[:, c], "percentile") for c in range(channels))]
    return tuple(per_frame) if lead == "c" else tuple(per_frame) * frames
