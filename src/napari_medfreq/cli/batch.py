"""Many files in, many files out: which goes where, and what became of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_medfreq.engine.records import record_path, write_record
from napari_medfreq.errors import FileError, InputError
from napari_medfreq.io.atomic import write_error
from napari_medfreq.io.files import read, suffix_of, writable_suffixes, write
from napari_medfreq.io.formats import names_a_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_medfreq.engine.options import Segmentation
    from napari_medfreq.volume import Volume

LABELS, PROBABILITY, UNCERTAINTY = "labels", "probability", "uncertainty"
_ENDINGS = {LABELS: "seg", PROBABILITY: "probability", UNCERTAINTY: "uncertainty"}


@dataclass(frozen=True)
class Case:
    """One input and where its results go.

    Parameters
    ----------
    source : pathlib.Path
        A file, or a folder of DICOM files.
    folder : pathlib.Path
        Where the results are written.
    stem : str
        How their names begin: ``<stem>_seg.nii.gz``.
    target : pathlib.Path, optional
        The name that the user gave to the mask; the other results are named after it.
    suffix : str, optional
        Ending of the files, such as ``.nrrd``; by default ``.png`` for pictures and ``.nii.gz`` for all else.
    """

    source: Path
    folder: Path
    stem: str
    target: Path | None = None
    suffix: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What was found in one volume, and the files that hold it."""

    source: Path
    name: str
    outputs: dict[str, Path]
    segmentation: Segmentation
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Return it as what JSON knows."""
        return {
            "input": str(self.source),
            "volume": self.name,
            "outputs": {kind: str(path) for kind, path in self.outputs.items()},
            "regions": [asdict(region) for region in self.segmentation.regions],
            "notes": list(self.notes),
        }


def plan(inputs: Sequence[Path], output: Path, suffix: str | None = None) -> list[Case]:
    """Return where the results of each input go; no two go to the same place.

    Parameters
    ----------
    inputs : sequence of pathlib.Path
        Files or folders of DICOM files.
    output : pathlib.Path
        A file, by its ending, where there is one input; else a folder, which is made.
    suffix : str, optional
        See `Case`.

    Raises
    ------
    InputError
        If `output` names a file and there are several inputs, or a file of a kind that cannot be written.
    """
    if suffix_of(output) in writable_suffixes() and not output.is_dir():
        if len(inputs) > 1:
            raise InputError(f"{output} names one file, but there are {len(inputs)} inputs. Name a folder instead.")
        stem = _without_suffix(output)
        return [Case(inputs[0], output.parent, stem, target=output, suffix=suffix_of(output))]
    if not output.is_dir() and (output.exists() or names_a_file(output)):
        known = ", ".join(writable_suffixes())
        raise InputError(
            f"{output}: masks cannot be written as {suffix_of(output) or 'a file without an ending'}. "
            f"Name a file ending in {known}, or a folder."
        )
    return [Case(source, output, stem, suffix=suffix) for source, stem in zip(inputs, _stems(inputs), strict=True)]


def run_case(
    case: Case, segment: Callable[[Volume], Segmentation], extras: Sequence[str] = (), *, overwrite: bool = False
) -> list[Outcome]:
    """Read one input, have each of its volumes segmented, and write what was found with its provenance beside it.

    Parameters
    ----------
    case : Case
        What to read, where to write.
    segment : callable
        Does the work.
    extras : sequence of str
        ``probability`` and ``uncertainty``, where they are to be written as well.
    overwrite : bool
        Whether files that exist may be replaced.

    Returns
    -------
    list of Outcome
        One for each volume of the input (a DICOM folder may hold several series).

    Raises
    ------
    MedfreqError
        If it cannot be read, segmented or written; what is wrong and the remedy are in the message.
    """
    volumes = read(case.source)
    if len(volumes) > 1 and case.target is not None:
        raise InputError(
            f"{case.source} holds {len(volumes)} images, but {case.target} names one file. Name a folder instead."
        )
    # All names are settled before the first result is computed: hours of work do not end in 'file exists'.
    names = unique_names([volume.name for volume in volumes]) if len(volumes) > 1 else [""]
    planned = [_outputs(case, volume, name, extras) for volume, name in zip(volumes, names, strict=True)]
    make_folder(case.folder)
    for paths in planned:
        for path in paths.values():
            check_free(path, case.source, overwrite=overwrite)
    outcomes = []
    for volume, paths in zip(volumes, planned, strict=True):
        found = segment(volume)
        for kind, path in paths.items():
            if kind == "provenance":
                write_record(found, paths[LABELS])
            else:
                write(found.named_labels if kind == LABELS else getattr(found, kind), path)
        notes = tuple(map(str, volume.header.get("notes", ())))
        outcomes.append(Outcome(case.source, volume.name, paths, found, notes))
    return outcomes


def _outputs(case: Case, volume: Volume, name: str, extras: Sequence[str]) -> dict[str, Path]:
    """Return the file of each kind of result, the mask first and its provenance last."""
    picture = not volume.calibrated and len(volume.spatial_axes) == 2
    suffix = case.suffix or (".png" if picture else ".nii.gz")
    stem = f"{case.stem}_{name}" if name else case.stem
    masks = case.target or case.folder / f"{stem}_{_ENDINGS[LABELS]}{suffix}"
    paths = {LABELS: masks}
    # Fractions fit neither into the bytes of a PNG nor into a DICOM SEG made of labels.
    smooth = {".png": ".tif", ".dcm": ".nii.gz"}.get(suffix, suffix)
    paths |= {kind: case.folder / f"{stem}_{_ENDINGS[kind]}{smooth}" for kind in extras}
    paths["provenance"] = record_path(masks)
    return paths


def make_folder(folder: Path) -> None:
    """Make `folder`, unless it is there; raise `FileError` where that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from error


def check_free(path: Path, source: Path, *, overwrite: bool) -> None:
    """Raise `FileError` if writing `path` would replace `source`, or (without `overwrite`) any other file."""
    if not path.exists():
        return
    if path.samefile(source):
        raise FileError(f"{path} is the input itself: it would be lost. Choose another name for the result.")
    if not overwrite:
        raise FileError(f"{path} exists already. Choose another place, or add --overwrite to replace it.")


def _stems(inputs: Sequence[Path]) -> list[str]:
    """Return a name for each input; those that share one are told apart by their folder (patient1/t1, patient2/t1)."""
    resolved = [path.resolve() for path in inputs]
    plain = [_without_suffix(path) if path.is_file() else path.name for path in resolved]
    shared = Counter(plain)
    return unique_names(
        [f"{path.parent.name}_{stem}" if shared[stem] > 1 else stem for path, stem in zip(resolved, plain, strict=True)]
    )


def unique_names(names: Sequence[str]) -> list[str]:
    """Return `names` made fit for file names, with ``_2``, ``_3`` ... after those that came before."""
    taken: set[str] = set()
    result = []
    for name in names:
        safe = "".join(letter if letter.isalnum() or letter in "-_.+" else "_" for letter in name) or "image"
        candidate, count = safe, 1
        # Some file systems do not tell upper from lower case.
        while candidate.lower() in taken:
            count += 1
            candidate = f"{safe}_{count}"
        taken.add(candidate.lower())
        result.append(candidate)
    return result


def _without_suffix(path: Path) -> str:
    suffix = suffix_of(path)
    return path.name[: -len(suffix)] if suffix else path.name
