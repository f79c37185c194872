from __future__ import annotations

import pytest

from napari_medfreq.cli.band_words import bands_named, gain_named
from napari_medfreq.errors import InputError
from napari_medfreq.transforms.contourlet import Contourlet

LAYOUT = Contourlet((0, 3)).layout()


@pytest.mark.parametrize(
    ("word", "keys"),
    [
        ("2:1,5", ["2:1", "2:5"]),
        ("2:5,1,5", ["2:1", "2:5"]),
        ("2:0-2,7", ["2:0", "2:1", "2:2", "2:7"]),
        (" 1 ", ["1:0"]),
        ("0", ["0:0"]),
        ("2", [f"2:{n}" for n in range(8)]),
    ],
)
def test_bands(word: str, keys: list[str]) -> None:
    assert [str(key) for key in bands_named(word, LAYOUT)] == keys


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("fine", "scale:directions"),
        ("1:", "scale:directions"),
        ("-1:0", "scale:directions"),
        ("3:0", "no scale 3"),
        ("2:8,9", "no direction 8, 9"),
        ("1:1", "0 to 0"),
    ],
)
def test_bands_that_are_not_there(word: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        bands_named(word, LAYOUT)


def test_gains() -> None:
    assert {str(key): gain for key, gain in gain_named("2:0,1=1.5", LAYOUT).items()} == {"2:0": 1.5, "2:1": 1.5}
    assert set(gain_named("1=-1", LAYOUT).values()) == {-1.0}


@pytest.mark.parametrize("word", ["2:0", "2:0=", "2:0=much", "2:0=nan", "2:0=inf"])
def test_gains_that_are_none(word: str) -> None:
    with pytest.raises(InputError, match="gain"):
        gain_named(word, LAYOUT)
