"""Coefficients of a transform in a NumPy archive (``.npz``): one array a band, and what they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from napari_medfreq.errors import FileError
from napari_medfreq.io.atomic import replacing
from napari_medfreq.transforms.bands import BandKey

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

_ABOUT = "about"


def write_coefficients(path: Path, parts: Mapping[BandKey, npt.NDArray[Any]], about: Mapping[str, Any]) -> None:
    """Write the coefficients of each band, and `about`, what JSON knows that says how they were made.

    Band 1:2 becomes the array ``s1_d2`` (``numpy.load(path)["s1_d2"]``), `about` the text ``about``. An existing file
    is replaced only when all is written.

    Raises
    ------
    FileError
        If the place cannot be written to.
    """
    arrays: dict[str, Any] = {f"s{key.scale}_d{key.direction}": array for key, array in parts.items()}
    text = np.array(json.dumps(about, ensure_ascii=False))
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **{_ABOUT: text, **arrays})


def read_coefficients(path: Path) -> tuple[dict[BandKey, npt.NDArray[Any]], dict[str, Any]]:
    """Return what `write_coefficients` was given.

    Raises
    ------
    FileError
        If the file is missing, damaged, or no such archive.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            about: dict[str, Any] = json.loads(archive[_ABOUT].item())
            return {_key(name): archive[name] for name in archive.files if name != _ABOUT}, about
    except (OSError, EOFError, BadZipFile, ValueError, KeyError, AttributeError, TypeError) as error:
        raise FileError(f"{path} cannot be read as coefficients of a transform: {error}.") from error


def _key(name: str) -> BandKey:
    scale, direction = name.removeprefix("s").split("_d")
    return BandKey(int(scale), int(direction))
