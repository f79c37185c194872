"""The table of endings."""

import pytest

from napari_medfreq.io.formats import READ_AS, names_a_file, readable_suffixes, suffix_of, writable_suffixes


def test_what_is_written_can_be_read_again() -> None:
    assert set(writable_suffixes()) <= set(readable_suffixes())


def test_every_ending_is_found_behind_any_name() -> None:
    assert {suffix_of(f"Some.Scan{suffix.upper()}") for suffix in READ_AS} == set(READ_AS)


@pytest.mark.parametrize(
    ("name", "is_file"),
    [("a.nii.gz", True), ("a.JPG", True), ("a.webp", True), ("masks", False), ("study.2", False), ("run.v1.3", False)],
)
def test_a_folder_may_have_a_dot_in_its_name(name: str, is_file: bool) -> None:
    assert names_a_file(name) is is_file
