from __future__ import annotations

import pytest

from napari_medfreq.nn.aegan_contrasts import inputs_for, missing_contrast

FOUR = ("t1", "t1c", "t2", "flair")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("flair", ("t1", "t1c", "t2")),
        ("t1", ("t1c", "t2", "flair")),
        ("t1c", ("t2", "flair", "t1")),
        ("t2", ("flair", "t1", "t1c")),
    ],
)
def test_the_rotations_are_those_of_the_published_code(target: str, expected: tuple[str, ...]) -> None:
    assert inputs_for(FOUR, target) == expected


def test_the_one_that_is_missing_is_the_target() -> None:
    assert missing_contrast(FOUR, ["t2", "t1", "flair"]) == "t1c"
    assert missing_contrast(FOUR, FOUR, "t2") == "t2"
    assert missing_contrast(FOUR, ["t2", "t1", "flair"], "t1c") == "t1c"


@pytest.mark.parametrize("given", [["t1", "t2"], ["flair"], []])
def test_subsets_that_the_model_never_saw_are_refused_with_the_reason(given: list[str]) -> None:
    with pytest.raises(ValueError, match=r"are missing.*exactly one contrast missing.*never saw fewer"):
        missing_contrast(FOUR, given)
    with pytest.raises(ValueError, match=r"are missing.*never saw fewer"):
        missing_contrast(FOUR, given, "t1c")


def test_contrasts_that_the_model_does_not_know_are_named() -> None:
    with pytest.raises(ValueError, match="does not know dwi"):
        missing_contrast(FOUR, ["t1", "dwi", "t2"])
    with pytest.raises(ValueError, match="does not know 'swi'"):
        missing_contrast(FOUR, ["t1", "t1c", "t2"], "swi")
    with pytest.raises(ValueError, match="no contrast is missing"):
        missing_contrast(FOUR, FOUR)
