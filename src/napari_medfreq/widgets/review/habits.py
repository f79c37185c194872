"""What the dock remembers from one day to the next: where reviews are kept, which keys, whether to zoom."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path

import platformdirs

from napari_medfreq.errors import FileError
from napari_medfreq.io.atomic import replacing

_log = logging.getLogger(__name__)
_APP = "napari-medfreq"
# Single letters belong to the painting tools, and Alt opens menus.
DEFAULT_KEYS = {"next": "Shift+N", "previous": "Shift+P", "accept": "Shift+A", "flag": "Shift+F"}


@dataclass(frozen=True)
class Habits:
    """What a user has grown used to.

    Attributes
    ----------
    folder : pathlib.Path
        Where new reviews are made.
    keys : dict
        The key of each action of `DEFAULT_KEYS`, as Qt writes it; empty for none.
    zoom : bool
        Whether the view zooms in on each region.
    earlier : str
        Index or folder of what the models were trained with; empty if it is not at hand.
    """

    folder: Path = field(default_factory=lambda: platformdirs.user_data_path(_APP, appauthor=False) / "reviews")
    keys: dict[str, str] = field(default_factory=lambda: dict(DEFAULT_KEYS))
    zoom: bool = True
    earlier: str = ""


def load_habits() -> Habits:
    """Return what was remembered; what is missing or damaged is as it is at first."""
    try:
        values = json.loads(_path().read_text(encoding="utf-8"))
        known = {action: str(key) for action, key in dict(values["keys"]).items() if action in DEFAULT_KEYS}
        keys, earlier = {**DEFAULT_KEYS, **known}, str(values.get("earlier", ""))
        return Habits(Path(values["folder"]), keys, bool(values["zoom"]), earlier)
    except FileNotFoundError:
        return Habits()
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("%s cannot be used and is replaced: %r", _path(), error)
        return Habits()


def save_habits(habits: Habits) -> None:
    """Remember `habits`; where that is not possible they last until the dock is closed."""
    path = _path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as scratch:
            text = json.dumps({**asdict(habits), "folder": str(habits.folder)}, indent=1)
            scratch.write_text(text, encoding="utf-8")
    except (OSError, FileError) as error:
        _log.warning("the settings of the Review dock were not remembered: %s", error)


def _path() -> Path:
    return platformdirs.user_config_path(_APP, appauthor=False) / "review.json"
