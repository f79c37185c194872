"""``napari-medfreq synthesize``: the contrasts that there are in, the missing one out, marked as synthetic."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from napari_medfreq.cli import console
from napari_medfreq.cli.segment import Precision
from napari_medfreq.errors import Cancelled, InputError, MedfreqError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from napari_medfreq.engine.synthesis import Synthesizer
    from napari_medfreq.engine.synthesis_options import SynthesisOptions, SyntheticContrast
    from napari_medfreq.volume import Volume

DEFAULT_MODEL = "aegan-brain"
_SUFFIX = ".nii.gz"

_log = logging.getLogger(__name__)


class Subject(NamedTuple):
    """One person's files, and where the result goes."""

    name: str
    files: dict[str, Path]
    output: Path


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(synthesize)


def synthesize(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="OUT", help="A file for one person; with --folder a folder.")
    ],
    t1: Annotated[Path | None, typer.Option("--t1", help="T1-weighted.")] = None,
    t1c: Annotated[Path | None, typer.Option("--t1c", help="T1-weighted, with contrast agent.")] = None,
    t2: Annotated[Path | None, typer.Option("--t2", help="T2-weighted.")] = None,
    flair: Annotated[Path | None, typer.Option("--flair", help="FLAIR.")] = None,
    other: Annotated[
        list[str] | None, typer.Option("--input", metavar="NAME=FILE", help="A contrast of another name; repeatable.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Instead of files: a folder with a folder for each person.")
    ] = None,
    target: Annotated[str | None, typer.Option("--target", help="What to make. [default: what is missing]")] = None,
    model: Annotated[str, typer.Option("-m", "--model", help="The name of a model, or its folder.")] = DEFAULT_MODEL,
    top: Annotated[float, typer.Option(help="The intensity that twice the target's 95 percentile is given.")] = 1000.0,
    device: Annotated[str, typer.Option(help="auto, cpu, mps, cuda or cuda:N.")] = "auto",
    precision: Annotated[Precision, typer.Option(help="What the network computes in.")] = Precision.auto,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that are there already.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Make the missing contrast of a person, or of many, on the grid of the first contrast given.

    Beside each result lies a .json that says how it was made. With --folder, a person who fails does not stop the
    others: the failures are listed at the end, and the exit code is then 1.
    """
    from napari_medfreq.engine.synthesis import Synthesizer
    from napari_medfreq.engine.synthesis_options import SynthesisOptions

    named = {"t1": t1, "t1c": t1c, "t2": t2, "flair": flair}
    files = {name: path for name, path in named.items() if path is not None} | _named(other or [], named)
    options = SynthesisOptions(target, top, device, precision.value)
    if (folder is None) != bool(files):
        raise InputError("Give either the files of one person (--t1, --t2 ...) or a --folder of persons.")
    synthesizer = Synthesizer.open(model)
    contrasts = synthesizer.network.config.contrasts
    subjects = [Subject(output.name, files, output)] if folder is None else _subjects(folder, output, contrasts, target)
    results, failures = _run_all(synthesizer, subjects, options, overwrite=overwrite)
    if as_json:
        console.print_json({"results": results, "failures": failures})
    if failures:
        console.say_error(f"{len(failures)} of {len(subjects)} persons failed:")
        for failure in failures:
            console.say_error(f"  {failure['error']}")
        raise typer.Exit(1)


def _named(entries: list[str], known: dict[str, Path | None]) -> dict[str, Path]:
    """Return the contrasts of ``NAME=FILE`` entries; none may be named twice."""
    files: dict[str, Path] = {}
    for entry in entries:
        name, _, path = entry.partition("=")
        if not name or not path:
            raise InputError(f"--input {entry}: write it as NAME=FILE.")
        if name in files or known.get(name) is not None:
            raise InputError(f"{name} was given twice; give each contrast once.")
        files[name] = Path(path)
    return files


def _subjects(folder: Path, output: Path, contrasts: tuple[str, ...], target: str | None) -> list[Subject]:
    """Return the persons of `folder`, each with the files that are named as the contrasts."""
    from napari_medfreq.io.files import can_read, suffix_of

    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder. It must hold a folder for each person.")
    if suffix_of(output) and not output.is_dir():
        raise InputError(f"{output} names one file, but --folder may hold many persons. Name a folder instead.")
    subjects = []
    for place in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        found: dict[str, Path] = {}
        for file in sorted(path for path in place.iterdir() if path.is_file() and can_read(path)):
            name = file.name[: -len(suffix_of(file)) or None].lower()
            if name in contrasts:
                found.setdefault(name, file)
        missing = target or next((name for name in contrasts if name not in found), "synthetic")
        subjects.append(Subject(place.name, found, output / f"{place.name}_{missing}_synthetic{_SUFFIX}"))
    if not subjects:
        raise InputError(f"{folder} holds no folders; it must hold one for each person.")
    return subjects


def _run_all(
    synthesizer: Synthesizer, subjects: list[Subject], options: SynthesisOptions, *, overwrite: bool
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Run every subject; return what was made, and for each that failed why."""
    from napari_medfreq.cli.batch import make_folder

    screen = console.err()
    results: list[dict[str, Any]] = []
    failures: list[dict[str, str]] = []
    with console.progress_bar(screen) as bar:
        for subject in subjects:
            try:
                make_folder(subject.output.parent)
                results.append(_run(synthesizer, subject, options, _Sink(screen, bar, subject.name), overwrite))
                screen.print(f"{subject.name} -> {subject.output}", markup=False, soft_wrap=True)
            except Cancelled:
                raise
            except MedfreqError as error:
                _log.debug("%s failed", subject.name, exc_info=True)
                failures.append({"subject": subject.name, "error": f"{subject.name}: {error}"})
    return results, failures


def _run(
    synthesizer: Synthesizer, subject: Subject, options: SynthesisOptions, sink: _Sink, overwrite: bool
) -> dict[str, Any]:
    from napari_medfreq.cli.batch import check_free
    from napari_medfreq.engine.records import record_path
    from napari_medfreq.io.files import write

    for path in subject.files.values():
        check_free(subject.output, path, overwrite=overwrite) if path.exists() else None
    made = synthesizer.synthesize({name: _read(name, path) for name, path in subject.files.items()}, options, sink)
    write(made.volume, subject.output)
    _write_record(made, subject.output)
    return {
        "subject": subject.name,
        "target": made.target,
        "inputs": made.provenance["inputs"],
        "output": str(subject.output),
        "record": str(record_path(subject.output)),
        "intensities": made.provenance["intensities"],
        "notes": made.provenance["notes"],
        "seconds": made.provenance["seconds"],
    }


def _read(name: str, path: Path) -> Volume:
    from napari_medfreq.io.files import read

    volumes = read(path)
    if len(volumes) > 1:
        raise InputError(f"{path} holds {len(volumes)} images; give the one that is the {name}.")
    return volumes[0]


def _write_record(made: SyntheticContrast, path: Path) -> None:
    from napari_medfreq.engine.records import record_path
    from napari_medfreq.io.atomic import replacing

    said = {"file": path.name, "content": "synthetic image", **made.provenance}
    with replacing(record_path(path)) as scratch:
        scratch.write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


class _Sink:
    """Shows what the engine reports (a `napari_medfreq.engine.options.Sink`)."""

    def __init__(self, screen: Console, bar: Progress, name: str) -> None:
        self._screen, self._bar, self._name = screen, bar, name
        self._task = bar.add_task(name, total=None)

    def progress(self, done: int, total: int, text: str) -> None:
        self._bar.update(self._task, completed=done, total=total, description=f"{self._name}: {text}")

    def note(self, text: str) -> None:
        self._screen.print(f"{self._name}: {text}", style="yellow", markup=False, soft_wrap=True)

    def check(self) -> None:
        """Do nothing: Ctrl+C ends the program."""

    def allocate(self, name: str, shape: tuple[int, ...], dtype: str) -> Any:
        import numpy as np

        return np.zeros(shape, dtype)

    def partial(self, name: str, region: tuple[tuple[int, int], ...]) -> None:
        """Do nothing: there is no screen to update."""
