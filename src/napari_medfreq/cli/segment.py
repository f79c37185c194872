"""``napari-medfreq segment``: files in, masks out."""

from __future__ import annotations

import enum
import logging
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_medfreq.cli import console
from napari_medfreq.errors import Cancelled, MedfreqError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console
    from rich.progress import Progress

    from napari_medfreq.cli.batch import Case, Outcome
    from napari_medfreq.engine.options import Segmentation, SegmentOptions
    from napari_medfreq.io.models import ModelFolder
    from napari_medfreq.jobs.messages import Event
    from napari_medfreq.volume import Volume

    Report = Callable[..., object]
    SegmentOne = Callable[[Console, Report, Volume], Segmentation]

DEFAULT_MODEL = "mmsnet-mix-b0"

_log = logging.getLogger(__name__)


class Precision(enum.StrEnum):
    """How the network computes."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"


class Method(enum.StrEnum):
    """What differs between Monte Carlo passes."""

    dropout = "dropout"
    closed_form = "closed-form"
    flips = "flips"
    stochastic_depth = "stochastic-depth"


class Measure(enum.StrEnum):
    """What the uncertainty is."""

    entropy = "entropy"
    expected_entropy = "expected-entropy"
    mutual_information = "mutual-information"
    variance = "variance"


class Format(enum.StrEnum):
    """Endings that a mask can be written with."""

    nifti = "nii.gz"
    nrrd = "nrrd"
    meta = "mha"
    png = "png"
    tiff = "tif"
    dicom = "dcm"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(segment)


def segment(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="IN...", readable=False, help="Image files, or folders of DICOM files.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="OUT", help="A file for one input; else a folder, made if needed.")
    ],
    model: Annotated[str, typer.Option("-m", "--model", help="The name of a model, or its folder.")] = DEFAULT_MODEL,
    passes: Annotated[int, typer.Option(help="Monte Carlo passes; 0 for none, 20 for an uncertainty map.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the passes: same seed, same result.")] = 0,
    method: Annotated[Method, typer.Option(help="What differs between the passes.")] = Method.dropout,
    measure: Annotated[Measure, typer.Option(help="What the uncertainty is.")] = Measure.entropy,
    device: Annotated[str, typer.Option(help="auto, cpu, mps, cuda or cuda:N.")] = "auto",
    precision: Annotated[Precision, typer.Option(help="What the network computes in.")] = Precision.auto,
    threshold: Annotated[float, typer.Option(help="Least probability of a label, where there is one label.")] = 0.5,
    probability: Annotated[bool, typer.Option("--probability", help="Write the probability as well.")] = False,
    uncertainty: Annotated[bool, typer.Option("--uncertainty", help="Write the uncertainty; needs --passes.")] = False,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="Format of the masks in a folder. [default: png for pictures, else nii.gz]"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that are there already.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Segment images; beside each mask lies a .json that says how it was made.

    A file that fails does not stop the others: the failures are listed at the end, and the exit code is then 1.
    """
    from napari_medfreq.cli.batch import plan, run_case
    from napari_medfreq.engine.options import SegmentOptions
    from napari_medfreq.io.models import open_model

    if uncertainty and not passes:
        raise typer.BadParameter("an uncertainty map comes from Monte Carlo passes: add --passes 20.")
    options = SegmentOptions(
        passes, seed, device, precision.value, threshold, method=method.value, measure=measure.value
    )
    cases = plan(inputs, output, f".{form.value}" if form else None)
    extras = [name for name, wanted in (("probability", probability), ("uncertainty", uncertainty)) if wanted]
    run = partial(run_case, extras=extras, overwrite=overwrite)
    with _segmenter(open_model(model), options) as segment_one:
        outcomes, failures = _run_all(cases, run, segment_one)
    if as_json:
        results = [outcome.to_json() for outcome in outcomes]
        errors = [{"input": str(path), "error": text} for path, text in failures.items()]
        console.print_json({"results": results, "failures": errors})
    elif outcomes:
        _print_table(outcomes)
    if failures:
        console.say_error(f"{len(failures)} of {len(cases)} inputs failed:")
        for text in failures.values():
            console.say_error(f"  {text}")
        raise typer.Exit(1)


@contextmanager
def _segmenter(model: ModelFolder, options: SegmentOptions) -> Iterator[SegmentOne]:
    """Yield a function that segments a volume, says what is worth knowing, and reports its steps."""
    from napari_medfreq.jobs.inline import InlineExecutor
    from napari_medfreq.jobs.messages import Note, Progress, SegmentRequest

    with InlineExecutor() as executor:

        def run(screen: Console, report: Report, volume: Volume) -> Segmentation:
            def on_event(event: Event) -> None:
                if isinstance(event, Progress):
                    report(completed=event.done, total=event.total)
                elif isinstance(event, Note):
                    screen.print(f"{volume.name}: {event.text}", style="yellow", markup=False, soft_wrap=True)

            return executor.submit(SegmentRequest(volume, str(model.path), options), on_event).result()

        yield run


def _run_all(
    cases: Sequence[Case],
    run: Callable[[Case, Callable[[Volume], Segmentation]], list[Outcome]],
    segment_one: SegmentOne,
) -> tuple[list[Outcome], dict[Path, str]]:
    """Run every case; return what was found, and for each input that failed why."""
    screen = console.err()
    outcomes: list[Outcome] = []
    failures: dict[Path, str] = {}
    with console.progress_bar(screen) as bar:
        whole = bar.add_task("inputs", total=len(cases))
        for case in cases:
            try:
                with _step(bar, case.source.name) as report:
                    found = run(case, partial(segment_one, screen, report))
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


@contextmanager
def _step(bar: Progress, name: str) -> Iterator[Report]:
    task = bar.add_task(name, total=None)
    try:
        yield partial(bar.update, task)
    finally:
        bar.remove_task(task)


def _say_written(screen: Console, outcome: Outcome) -> None:
    for note in outcome.notes:
        screen.print(f"{outcome.source}: {note}", style="yellow", markup=False, soft_wrap=True)
    screen.print(f"{outcome.source} -> {outcome.outputs['labels']}", markup=False, soft_wrap=True)


def _print_table(outcomes: Sequence[Outcome]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table("image", "label", "size", "mean probability", "mean uncertainty", box=None, padding=(0, 2, 0, 0))
    for outcome in outcomes:
        for region in outcome.segmentation.regions:
            cells: list[Any] = [outcome.name, region.label.name, region.size_text]
            cells += [
                "" if value is None else f"{value:.3f}" for value in (region.mean_probability, region.mean_uncertainty)
            ]
            table.add_row(*map(escape, cells))
    console.out().print(table)
