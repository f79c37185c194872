"""The table of endings."""

from napari_medfreq.io.formats import READ_AS, readable_suffixes, suffix_of, writable_suffixes


def test_what_is_written_can_be_read_again() -> None:
    assert set(writable_suffixes()) <= set(readable_suffixes())


def test_every_ending_is_found_behind_any_name() -> None:
    assert {suffix_of(f"Some.Scan{suffix.upper()}") for suffix in READ_AS} == set(READ_AS)
