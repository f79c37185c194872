from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import pytest

from napari_medfreq.engine.frequencies.options import FrequencyOptions
from napari_medfreq.errors import InputError


def test_they_cross_to_another_process_and_can_be_looked_up() -> None:
    options = FrequencyOptions("fourier", levels=[2, 3], edges=[0.1, 0.2])  # type: ignore[arg-type]
    assert options.levels == (2, 3)
    assert pickle.loads(pickle.dumps(options)) == options
    assert {options: 1}[FrequencyOptions("fourier", levels=(2, 3), edges=(0.1, 0.2))] == 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"transform": "curvelet"}, "contourlet, nonsubsampled"),
        ({"levels": ()}, "levels"),
        ({"levels": (7,)}, "0 to 6"),
        ({"levels": (2,) * 9}, "eight scales"),
        ({"scales": 0}, "between 1 and 8"),
        ({"block": 3}, "4 and 64 pixels"),
        ({"edges": (0.2, 0.1)}, "rising"),
        ({"edges": (0.0,)}, "positive"),
        ({"edges": (float("nan"),)}, "positive"),
        ({"scope": "slab"}, "slice, volume"),
        ({"plane": "oblique"}, "axial, coronal, sagittal"),
        ({"scope": "volume"}, "go plane by plane"),
        ({"scope": "volume", "transform": "block-dct"}, "wavelet, dct, fourier"),
    ],
)
def test_what_cannot_be_is_refused_in_words(values: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        FrequencyOptions(**values)


def test_the_viewer_may_import_all_it_needs_without_torch() -> None:
    names = ("options", "results", "presets", "table")
    code = "\n".join(f"import napari_medfreq.engine.frequencies.{name}" for name in names)
    code += "\nimport sys, napari_medfreq.engine.anatomy"
    code += "\nimport napari_medfreq.jobs.frequency_requests, napari_medfreq.jobs.latest"
    code += "\nprint({'torch', 'pywt', 'ptwt', 'scipy'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
