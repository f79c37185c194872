"""From the tables of a TOML file to dataclasses: what is unknown, missing or of the wrong kind is refused by name."""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from napari_medfreq.errors import DatasetError, ModelError

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")


def read_table(path: Path, cls: type[T]) -> T:
    """Return the dataclass `cls` that the TOML file `path` describes.

    Raises
    ------
    DatasetError
        If it is missing, not TOML, or has entries that are unknown, missing or of the wrong kind.
    """
    try:
        return build(cls, tomllib.loads(path.read_text(encoding="utf-8")), "the config")
    except OSError as error:
        raise DatasetError(f"{path}: the training config cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: this is not a TOML file: {error}.") from error
    except (ModelError, DatasetError, TypeError, ValueError) as error:
        raise DatasetError(f"{path}: {error}") from error


def build(cls: type[T], values: dict[str, Any], where: str) -> T:
    """Return the dataclass `cls` with `values`, tables turned into dataclasses and lists into tuples.

    Raises
    ------
    DatasetError
        If `values` is no table, or has entries that are unknown, missing or of the wrong kind; `where` is named.
    """
    if not isinstance(values, dict):
        raise DatasetError(f"{where} must be a table, not {values!r}.")
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - set(known)):
        raise DatasetError(f"{where} has entries that are not known: {', '.join(unknown)}.")
    needed = [n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING]
    if missing := [name for name in needed if name not in values]:
        raise DatasetError(f"{where} lacks {', '.join(missing)}.")
    hints = get_type_hints(cls)
    return cls(**{name: _entry(value, hints[name], name, where) for name, value in values.items()})


def _entry(value: Any, hint: Any, name: str, where: str) -> Any:
    if is_dataclass(hint):
        return build(hint, value, f"[{name}]")  # type: ignore[arg-type]
    if isinstance(value, list):
        parts = get_args(hint)
        if parts and is_dataclass(parts[0]):
            return tuple(build(parts[0], entry, f"[[{name}]]") for entry in value)  # type: ignore[arg-type]
        return tuple(value)
    return _checked(value, hint, f"{name} of {where}")


_KINDS: dict[Any, tuple[type, str]] = {
    int: (int, "a whole number"),
    str: (str, "a text"),
    bool: (bool, "true or false"),
}


def _checked(value: Any, hint: Any, where: str) -> Any:
    """Return `value`, a number as float where `hint` says so; refuse what is not of its kind."""
    if hint is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise DatasetError(f"{where} must be a number, not {value!r}.")
        return float(value)
    if get_origin(hint) is Literal and value not in get_args(hint):
        raise DatasetError(f"{where} must be one of {', '.join(get_args(hint))}, not {value!r}.")
    kind, words = _KINDS.get(hint, (object, ""))
    if not isinstance(value, kind) or (hint is int and isinstance(value, bool)):
        raise DatasetError(f"{where} must be {words}, not {value!r}.")
    return value
