"""What napari is promised in the manifest is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from npe2 import PluginManifest

from napari_medfreq.io.files import readable_suffixes, writable_suffixes

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_distribution("napari-medfreq")


def test_every_command_can_be_imported(manifest: PluginManifest) -> None:
    manifest.validate_imports()


def test_the_link_at_the_top_is_the_manifest_in_the_package(repository: Path) -> None:
    assert (repository / "napari.yaml").read_text() == (repository / "src/napari_medfreq/napari.yaml").read_text()


def test_only_what_can_be_read_is_claimed(manifest: PluginManifest) -> None:
    (reader,) = manifest.contributions.readers
    claimed = {pattern.removeprefix("*") for pattern in reader.filename_patterns}
    # Raw voxels (.img) open through their header, and other programs own the ending.
    assert claimed == set(readable_suffixes()) - {".img"}
    assert reader.accepts_directories


def test_every_writable_format_is_offered_for_labels(manifest: PluginManifest) -> None:
    offered = {
        extension
        for writer in manifest.contributions.writers
        for extension in writer.filename_extensions
        if "labels" in writer.layer_types
    }
    assert offered == set(writable_suffixes())


def test_segment_stands_in_the_menu_of_segmentation(manifest: PluginManifest) -> None:
    commands = [item.command for item in manifest.contributions.menus["napari/layers/segment"]]
    assert commands == ["napari-medfreq.segment"]
