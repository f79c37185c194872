"""What ``napari-medfreq bands`` does with one input: read, ask, write."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from glob import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medfreq.cli.band_words import bands_named, gain_named
from napari_medfreq.cli.batch import check_free, make_folder, unique_names
from napari_medfreq.engine.anatomy import plane_of
from napari_medfreq.engine.frequencies.presets import preset_gains, solo_gains
from napari_medfreq.engine.frequencies.table import band_rows, bands_csv
from napari_medfreq.errors import InputError
from napari_medfreq.io.atomic import replacing
from napari_medfreq.io.coefficients import write_coefficients
from napari_medfreq.io.files import read, suffix_of, write
from napari_medfreq.io.formats import WRITE_AS
from napari_medfreq.jobs.frequency_requests import AnalyseRequest, BandsRequest, CoefficientsRequest, FilterRequest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_medfreq.cli.batch import Case
    from napari_medfreq.engine.frequencies.options import Form, FrequencyOptions
    from napari_medfreq.engine.frequencies.results import Analysis
    from napari_medfreq.jobs.messages import Executor, OnEvent
    from napari_medfreq.transforms.bands import Band, BandKey
    from napari_medfreq.volume import Volume

_AT_ONCE = 512 * 10**6


@dataclass(frozen=True)
class Wishes:
    """What is asked of every input.

    Attributes
    ----------
    options : FrequencyOptions
        The transform.
    slice : int, optional
        Only this plane.
    frame : int
        Of a series, the frame that the plane is of.
    preset : str, optional
        Gains to begin with.
    mute, solo, boost : sequence of str
        Bands to leave out, to keep alone, and to weigh, as `napari_medfreq.cli.band_words` reads them.
    only : sequence of str
        Bands to write as images; all where it is empty.
    form : {"coefficients", "component"}
        What the images of bands hold.
    images, table, archive : bool
        Whether to write images of the bands, a .csv of what they hold, and an .npz of their coefficients.
    """

    options: FrequencyOptions
    slice: int | None = None
    frame: int = 0
    preset: str | None = None
    mute: Sequence[str] = ()
    solo: Sequence[str] = ()
    boost: Sequence[str] = ()
    only: Sequence[str] = ()
    form: Form = "coefficients"
    images: bool = True
    table: bool = False
    archive: bool = False

    @property
    def changes(self) -> bool:
        """Whether a changed image is asked for."""
        return bool(self.mute or self.solo or self.boost or self.preset)

    def gains(self, layout: Sequence[Band]) -> dict[BandKey, float]:
        """Return the gain of each band: the preset, what is kept alone, what is weighed and, last, what is muted."""
        gains = preset_gains(self.preset, layout) if self.preset else {}
        if self.solo:
            gains |= solo_gains(layout, _named(self.solo, layout))
        for word in self.boost:
            gains |= gain_named(word, layout)
        return gains | dict.fromkeys(_named(self.mute, layout), 0.0)


@dataclass(frozen=True)
class Found:
    """What became of one image."""

    source: Path
    name: str
    analysis: Analysis
    gains: dict[BandKey, float]
    outputs: dict[str, Path]
    bands: dict[BandKey, Path] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as what JSON knows."""
        rows = band_rows(self.analysis, self.gains)
        for row, key in zip(rows, (measure.key for measure in self.analysis.bands), strict=True):
            row["image"] = str(self.bands[key]) if key in self.bands else None
        return {
            "input": str(self.source),
            "volume": self.name,
            "outputs": {kind: str(path) for kind, path in self.outputs.items()},
            "bands": rows,
            "notes": list(self.notes),
        }


def run_case(
    case: Case, wishes: Wishes, executor: Executor, on_event: OnEvent, *, overwrite: bool = False
) -> list[Found]:
    """Read one input, look at each of its images and write what is asked for.

    Raises
    ------
    MedfreqError
        If it cannot be read, transformed or written; what is wrong and the remedy are in the message.
    """
    volumes = read(case.source)
    names = unique_names([volume.name for volume in volumes]) if len(volumes) > 1 else [""]
    work = [
        _Work(case, wishes, _wanted(volume, wishes), f"{case.stem}_{name}" if name else case.stem, overwrite)
        for volume, name in zip(volumes, names, strict=True)
    ]
    make_folder(case.folder)
    for one in work:
        one.check_names()
    return [one.run(executor, on_event) for one in work]


def _wanted(volume: Volume, wishes: Wishes) -> Volume:
    if wishes.slice is None:
        return volume
    if len(volume.spatial_axes) == 2 and wishes.slice > 0:
        raise InputError(f"{volume.name} is a single plane; leave --slice out.")
    return plane_of(volume, wishes.options.plane, wishes.slice, wishes.frame)


def _named(words: Sequence[str], layout: Sequence[Band]) -> list[BandKey]:
    return [key for word in words for key in bands_named(word, layout)]


@dataclass(frozen=True)
class _Work:
    """One image, what is asked of it, and where its results go."""

    case: Case
    wishes: Wishes
    volume: Volume
    stem: str
    overwrite: bool

    def check_names(self) -> None:
        """Refuse names that are taken before anything is computed."""
        for path in self._files().values():
            check_free(path, self.case.source, overwrite=self.overwrite)
        if self.wishes.images:
            for path in self.case.folder.glob(f"{escape(self.stem)}_band-*{self._suffix}"):
                check_free(path, self.case.source, overwrite=self.overwrite)

    def run(self, executor: Executor, on_event: OnEvent) -> Found:
        """Compute and write."""
        options, files = self.wishes.options, self._files()
        analysis = executor.submit(AnalyseRequest(self.volume, options), on_event).result()
        gains = self.wishes.gains(analysis.layout)
        notes = [str(note) for note in self.volume.header.get("notes", ())]
        if "table" in files:
            with replacing(files["table"]) as temporary:
                temporary.write_text(bands_csv(analysis, gains), encoding="utf-8")
        if "coefficients" in files:
            held = executor.submit(CoefficientsRequest(self.volume, options), on_event).result()
            write_coefficients(files["coefficients"], held.parts, self._about(analysis))
        if "changed" in files:
            changed = executor.submit(FilterRequest(self.volume, options, gains), on_event).result()
            files["changed"] = self._write_changed(changed, files["changed"], gains, notes)
        bands = self._write_bands(executor, on_event, analysis) if self.wishes.images else {}
        return Found(self.case.source, self.volume.name, analysis, gains, files, bands, tuple(notes))

    @property
    def _suffix(self) -> str:
        return self.case.suffix or (".nii.gz" if self.volume.calibrated else ".tif")

    def _files(self) -> dict[str, Path]:
        wanted = {
            "table": ("_bands.csv", self.wishes.table),
            "coefficients": ("_bands.npz", self.wishes.archive),
            "changed": (f"_changed{self._changed_suffix()}", self.wishes.changes),
        }
        return {kind: self.case.folder / f"{self.stem}{end}" for kind, (end, asked) in wanted.items() if asked}

    def _changed_suffix(self) -> str:
        """Return the ending of the source, if that can be written; of a DICOM series that of the bands."""
        own = suffix_of(self.case.source)
        if self.case.suffix or WRITE_AS.get(own) not in ("NIfTI", "NRRD", "MetaImage", "TIFF", "PNG"):
            return self._suffix
        return own

    def _write_changed(self, changed: Volume, path: Path, gains: dict[BandKey, float], notes: list[str]) -> Path:
        if path.suffix == ".png":
            if any(gain != 1.0 for key, gain in gains.items() if key.scale == 0):
                notes.append(f"{path.name}: without its low-pass band the image has negative values; written as .tif.")
                path = path.with_suffix(".tif")
                check_free(path, self.case.source, overwrite=self.overwrite)
            else:
                limits = np.iinfo(self.volume.data.dtype if self.volume.data.dtype.kind == "u" else np.uint8)
                whole = np.rint(np.nan_to_num(changed.data)).clip(limits.min, limits.max).astype(limits.dtype)
                changed = replace(changed, data=whole)
        write(changed, path)
        return path

    def _write_bands(self, executor: Executor, on_event: OnEvent, analysis: Analysis) -> dict[BandKey, Path]:
        layout = analysis.layout
        keys = _named(self.wishes.only, layout) or [band.key for band in layout]
        paths = {}
        for group in _groups(keys, self.wishes, analysis, self.volume.data.size):
            request = BandsRequest(self.volume, self.wishes.options, tuple(group), self.wishes.form)
            for band in executor.submit(request, on_event).result():
                path = self.case.folder / f"{self.stem}_band-{band.key.scale}-{band.key.direction}{self._suffix}"
                write(band.image, path)
                paths[band.key] = path
        return paths

    def _about(self, analysis: Analysis) -> dict[str, Any]:
        return {
            "source": str(self.case.source),
            "shape": list(self.volume.data.shape),
            "axes": self.volume.axes,
            "spacing": list(self.volume.spacing),
            "affine": self.volume.affine.tolist(),
            "options": asdict(self.wishes.options),
            "bands": band_rows(analysis),
        }


def _groups(keys: Sequence[BandKey], wishes: Wishes, analysis: Analysis, voxels: int) -> list[list[BandKey]]:
    """Return `keys` in groups that are asked for together: their images take 512 MB at most, or one band is alone."""
    counts = {measure.key: measure.count for measure in analysis.bands}
    whole = wishes.form == "component" or wishes.options.transform in ("dct", "fourier")
    groups: list[list[BandKey]] = [[]]
    room = _AT_ONCE
    for key in dict.fromkeys(keys):
        needed = 4 * (voxels if whole else counts[key])
        if groups[-1] and needed > room:
            groups.append([])
            room = _AT_ONCE
        groups[-1].append(key)
        room -= needed
    return groups
