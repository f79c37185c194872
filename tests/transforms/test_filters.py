from __future__ import annotations

import numpy as np
import pytest

from napari_medfreq.transforms.filters import angular_frequencies, ladder_response, pyramid_responses

OMEGA = np.linspace(-np.pi, np.pi, 257)


@pytest.mark.parametrize(("name", "tolerance"), [("9-7", 1e-11), ("5-3", 1e-14), ("haar", 1e-14), ("meyer", 1e-14)])
def test_pyramid_filters_are_biorthogonal(name: str, tolerance: float) -> None:
    low, high = pyramid_responses(name, OMEGA), pyramid_responses(name, OMEGA + np.pi)
    np.testing.assert_allclose(low[0] * low[1] + high[0] * high[1], 2.0, atol=tolerance)


@pytest.mark.parametrize("name", ["9-7", "5-3", "haar", "meyer"])
def test_pyramid_filters_pass_the_mean_and_stop_the_fastest_change(name: str) -> None:
    at_zero, at_pi = (np.array([r[0] for r in pyramid_responses(name, np.array([w]))]) for w in (0.0, np.pi))
    np.testing.assert_allclose(at_zero, np.sqrt(2), atol=1e-11)
    np.testing.assert_allclose(at_pi, 0.0, atol=1e-11)


@pytest.mark.parametrize(("name", "ripple"), [("pkva", 0.03), ("haar", 0.8), ("meyer", 0.6)])
def test_ladder_is_one_on_one_side_and_minus_one_on_the_other(name: str, ripple: float) -> None:
    inside, outside = np.linspace(-0.8 * np.pi, 0.8 * np.pi, 65), np.linspace(1.2 * np.pi, 2.8 * np.pi, 65)
    assert np.abs(ladder_response(name, inside) - 1).max() < ripple
    assert np.abs(ladder_response(name, outside) + 1).max() < ripple
    np.testing.assert_allclose(ladder_response(name, OMEGA + 2 * np.pi), -ladder_response(name, OMEGA), atol=1e-13)


def test_frequencies_are_those_of_the_discrete_spectrum() -> None:
    np.testing.assert_allclose(angular_frequencies(4), [0, np.pi / 2, -np.pi, -np.pi / 2])


def test_unknown_filters_are_named() -> None:
    with pytest.raises(ValueError, match=r"'burt' is not one of 9-7, 5-3, haar, meyer"):
        pyramid_responses("burt", OMEGA)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"'cd' is not one of pkva, haar, meyer"):
        ladder_response("cd", OMEGA)  # type: ignore[arg-type]
