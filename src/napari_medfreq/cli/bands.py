"""``napari-medfreq bands``: files in, the bands of a frequency transform out."""

from __future__ import annotations

import enum
import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_medfreq.cli import console
from napari_medfreq.errors import Cancelled, InputError, MedfreqError
from napari_medfreq.jobs.messages import Note, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from napari_medfreq.cli.band_files import Found
    from napari_medfreq.cli.batch import Case
    from napari_medfreq.jobs.messages import Event

    Run = Callable[..., list[Found]]

_log = logging.getLogger(__name__)


class Transform(enum.StrEnum):
    """Through which transform to look."""

    contourlet = "contourlet"
    nonsubsampled = "nonsubsampled"
    wavelet = "wavelet"
    dct = "dct"
    block_dct = "block-dct"
    fourier = "fourier"


class Plane(enum.StrEnum):
    """Planes of a volume."""

    axial = "axial"
    coronal = "coronal"
    sagittal = "sagittal"


class Form(enum.StrEnum):
    """What the images of bands hold."""

    coefficients = "coefficients"
    component = "component"


class Format(enum.StrEnum):
    """Endings that images of fractions can be written with."""

    nifti = "nii.gz"
    nrrd = "nrrd"
    meta = "mha"
    tiff = "tif"


class Preset(enum.StrEnum):
    """Gains that have a name."""

    no_low_pass = "no-low-pass"
    low_pass_only = "low-pass-only"
    edges_only = "edges-only"
    denoise = "denoise"
    sharpen = "sharpen"


_BANDS = "BANDS"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(bands)


def bands(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="IN...", readable=False, help="Image files, or folders of DICOM files.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="A folder, made if needed.")],
    transform: Annotated[Transform, typer.Option(help="Through what to look.")] = Transform.contourlet,
    levels: Annotated[
        str, typer.Option(help="Contourlets: directional levels, coarse to fine; 2**level directions, none for 0.")
    ] = "3,3,4",
    scales: Annotated[int, typer.Option(help="Wavelet, DCT, Fourier: octaves above the low-pass band.")] = 3,
    wavelet: Annotated[str, typer.Option(help="A wavelet of PyWavelets.")] = "bior4.4",
    block: Annotated[int, typer.Option(help="Side of the blocks of block-dct, in pixels.")] = 8,
    edges: Annotated[
        str, typer.Option(help="Fourier: limits between the bands, cycles/mm (or /px). [default: octaves]")
    ] = "",
    pyramid: Annotated[str | None, typer.Option(help="Contourlets: meyer, 9-7, 5-3 or haar.")] = None,
    directional: Annotated[str | None, typer.Option(help="Contourlets: meyer, pkva or haar.")] = None,
    plane: Annotated[Plane, typer.Option(help="Which planes of a volume.")] = Plane.axial,
    slice_: Annotated[int | None, typer.Option("--slice", help="Only this plane, counted from 0.")] = None,
    frame: Annotated[int, typer.Option(help="The point in time of --slice.")] = 0,
    whole: Annotated[bool, typer.Option("--3d", help="Wavelet, DCT, Fourier: in three dimensions.")] = False,
    mute: Annotated[
        list[str] | None, typer.Option(metavar=_BANDS, help="Leave these out: 1:2,5 or 2 (a whole scale).")
    ] = None,
    solo: Annotated[list[str] | None, typer.Option(metavar=_BANDS, help="Keep these alone.")] = None,
    boost: Annotated[list[str] | None, typer.Option(metavar="BANDS=GAIN", help="Multiply these: 2:0=1.5.")] = None,
    preset: Annotated[Preset | None, typer.Option(help="Gains to begin with.")] = None,
    only: Annotated[list[str] | None, typer.Option(metavar=_BANDS, help="Write images of these bands alone.")] = None,
    form: Annotated[Form, typer.Option(help="Coefficients, or what they add to the image.")] = Form.coefficients,
    images: Annotated[bool, typer.Option("--images/--no-images", help="Write each band as an image.")] = True,
    table: Annotated[bool, typer.Option("--csv", help="Write what each band holds as a table.")] = False,
    archive: Annotated[bool, typer.Option("--npz", help="Write all coefficients.")] = False,
    format_: Annotated[
        Format | None,
        typer.Option("--format", help="Of the images. [default: tif for pictures, else nii.gz]"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that are there already.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Part images into scales and directions; change them band by band.

    Writes each band as an image and, where bands are muted, kept alone or weighed, the image made of what is left. A
    band is written scale:direction; 0:0 is the low-pass band.
    """
    from napari_medfreq.cli.band_files import Wishes, run_case
    from napari_medfreq.cli.batch import plan
    from napari_medfreq.engine.frequencies.options import FrequencyOptions
    from napari_medfreq.engine.frequencies.presets import PRESETS
    from napari_medfreq.jobs.inline import InlineExecutor

    options = FrequencyOptions(
        transform.value,
        _integers("--levels", levels),
        pyramid,
        directional,
        scales,
        wavelet,
        block,
        _numbers("--edges", edges),
        scope="volume" if whole else "slice",
        plane=plane.value,
    )
    wishes = Wishes(
        options,
        slice_,
        frame,
        None if preset is None else next(name for name in PRESETS if _slug(name) == preset.value),
        tuple(mute or ()),
        tuple(solo or ()),
        tuple(boost or ()),
        tuple(only or ()),
        form.value,
        images=images,
        table=table,
        archive=archive,
    )
    cases = plan(inputs, output, f".{format_.value}" if format_ else None)
    if cases[0].target is not None:
        raise InputError(f"{output} names a file, but there are several results. Name a folder.")
    with InlineExecutor() as executor:
        run = partial(run_case, wishes=wishes, executor=executor, overwrite=overwrite)
        found, failures = _run_all(cases, run)
    _answer(found, failures, len(cases), as_json=as_json)


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")


def _integers(option: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{option} takes whole numbers, such as 3,3,4, not {text!r}.") from None


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",") if text)
    except ValueError:
        raise typer.BadParameter(f"{option} takes numbers, such as 0.05,0.2, not {text!r}.") from None


def _run_all(cases: Sequence[Case], run: Run) -> tuple[list[Found], dict[Path, str]]:
    """Run every case; return what was found, and for each input that failed why."""
    screen = console.err()
    outcomes: list[Found] = []
    failures: dict[Path, str] = {}
    with console.progress_bar(screen) as bar:
        whole = bar.add_task("inputs", total=len(cases))
        for case in cases:
            try:
                found = run(case, on_event=_Listener(screen, bar, case.source.name))
            except Cancelled:
                raise
            except MedfreqError as error:
                _log.debug("%s failed", case.source, exc_info=True)
                failures[case.source] = str(error)
            except Exception as error:  # noqa: BLE001 - a night's batch must not be lost to one file that meets a bug
                _log.debug("%s failed", case.source, exc_info=True)
                failures[case.source] = f"{case.source}: unexpected {type(error).__name__}: {error}"
            else:
                outcomes += found
                for outcome in found:
                    _say_written(screen, outcome)
            bar.advance(whole)
    return outcomes, failures


class _Listener:
    """Shows what the engine reports about one input."""

    def __init__(self, screen: Console, bar: Bar, name: str) -> None:
        self._screen = screen
        self._bar = bar
        self._name = name
        self._said: set[str] = set()
        self._task: TaskID | None = None

    def __call__(self, event: Event) -> None:
        """Take an event of a job."""
        if isinstance(event, Note) and event.text not in self._said:
            self._said.add(event.text)
            self._screen.print(event.text, style="yellow", markup=False, soft_wrap=True)
        elif isinstance(event, Progress):
            if self._task is None:
                self._task = self._bar.add_task(self._name)
            done = event.done == event.total
            self._bar.update(
                self._task, completed=event.done, total=event.total, description=f"{self._name}: {event.text}"
            )
            if done:
                self._bar.remove_task(self._task)
                self._task = None


def _say_written(screen: Console, found: Found) -> None:
    for note in found.notes:
        screen.print(f"{found.source}: {note}", style="yellow", markup=False, soft_wrap=True)
    for path in found.outputs.values():
        screen.print(f"{found.source} -> {path}", markup=False, soft_wrap=True)
    if found.bands:
        first = next(iter(found.bands.values()))
        screen.print(f"{found.source} -> {len(found.bands)} bands, {first} ...", markup=False, soft_wrap=True)


def _answer(found: Sequence[Found], failures: dict[Path, str], total: int, *, as_json: bool) -> None:
    """Print what was found and what failed; leave with exit code 1 if anything did."""
    if as_json:
        errors = [{"input": str(path), "error": text} for path, text in failures.items()]
        console.print_json({"results": [outcome.to_json() for outcome in found], "failures": errors})
    else:
        for outcome in found:
            _print_table(outcome)
    if failures:
        console.say_error(f"{len(failures)} of {total} inputs failed:")
        for text in failures.values():
            console.say_error(f"  {text}")
        raise typer.Exit(1)


def _print_table(found: Found) -> None:
    from rich.markup import escape
    from rich.table import Table

    analysis = found.analysis
    headings = ("band", "direction", analysis.unit, "share", "rms", "gain")
    table = Table(*headings, title=escape(found.name), title_justify="left", box=None, padding=(0, 2, 0, 0))
    for measure in analysis.bands:
        angle = measure.band.angle
        table.add_row(
            str(measure.key),
            "" if angle is None else f"{angle[0]:.0f}° to {angle[1]:.0f}°",
            f"{measure.frequency[0]:.3g} to {measure.frequency[1]:.3g}",
            f"{measure.share:.2%}",
            f"{measure.rms:.4g}",
            f"{found.gains.get(measure.key, 1.0):g}",
        )
    console.out().print(table)
