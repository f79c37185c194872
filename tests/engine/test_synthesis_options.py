from __future__ import annotations

import pytest

from napari_medfreq.engine.synthesis_options import SynthesisOptions
from napari_medfreq.errors import InputError


@pytest.mark.parametrize(("values", "said"), [({"top": 0.0}, "above 0"), ({"batch": 0}, "at least one plane")])
def test_numbers_that_mean_nothing_are_refused(values: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        SynthesisOptions(**values)  # type: ignore[arg-type]
