"""Filter coefficients of the contourlet family, and their frequency responses.

Sources: the 9-7 pair is that of Cohen, Daubechies and Feauveau (1992); ``pkva`` is the ladder filter of Phoong, Kim,
Vaidyanathan and Ansari (1995), as used by Do and Vetterli (2005). The ``meyer`` filters are given by their responses
(Meyer 1985; Lu and Do 2006 use them against the aliasing of the Laplacian pyramid): exactly flat outside a smooth
transition, so that what lies outside it cannot leak.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

PyramidFilter = Literal["9-7", "5-3", "haar", "meyer"]
DirectionalFilter = Literal["pkva", "haar", "meyer"]

_ROOT2 = float(np.sqrt(2.0))

# Centre first, then one side of each symmetric filter; every filter sums to sqrt(2).
_PYRAMID: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "9-7": (
        (0.8526986790094034, 0.37740285561265, -0.11062440441842, -0.02384946501938, 0.037828455506995),
        (0.78848561640566, 0.41809227322221, -0.040689417609558, -0.064538882628938),
    ),
    "5-3": ((0.75 * _ROOT2, 0.25 * _ROOT2, -0.125 * _ROOT2), (0.5 * _ROOT2, 0.25 * _ROOT2)),
}

# Half of each even-length symmetric ladder filter, from the middle outwards.
_LADDER: dict[str, tuple[float, ...]] = {
    "pkva": (0.63, -0.193, 0.0972, -0.0526, 0.0272, -0.0144),
    "haar": (0.5,),
}


def angular_frequencies(length: int) -> npt.NDArray[np.float64]:
    """Return the angular frequencies (rad/sample, in [-pi, pi)) of a discrete spectrum of `length`, zero first."""
    return 2 * np.pi * np.fft.fftfreq(length).astype(np.float64)


def pyramid_responses(
    name: PyramidFilter, omega: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.complex128], npt.NDArray[np.complex128]]:
    """Return the low-pass analysis and synthesis responses at the angular frequencies `omega` (rad/sample).

    Both have the gain sqrt(2) at zero frequency and satisfy
    ``h(w) g(w) + h(w + pi) g(w + pi) = 2``, which makes the Laplacian pyramid a tight pair.
    """
    if name == "haar":
        response = (1 + np.exp(1j * omega)) / _ROOT2
        return response, response.conj()
    if name == "meyer":
        response = (_ROOT2 * np.cos(meyer_phase(2 * omega, np.pi / 3) / 2)).astype(np.complex128)
        return response, response
    if name not in _PYRAMID:
        raise ValueError(f"pyramid filter {name!r} is not one of {', '.join(get_args(PyramidFilter))}")
    analysis, synthesis = (_cosine_series(taps, omega) for taps in _PYRAMID[name])
    return analysis, synthesis


def ladder_response(
    name: DirectionalFilter, omega: npt.NDArray[np.float64], transition: float = np.pi / 3
) -> npt.NDArray[np.float64]:
    """Return ``F(w)``, about +1 for ``|w| < pi`` and -1 beyond, with period 4 pi and ``F(w + 2 pi) = -F(w)``.

    Of ``pkva`` and ``haar`` it is ``2 sum_k f_k cos((k + 1/2) w)``; of ``meyer`` it is the cosine of `meyer_phase`,
    for which alone `transition` counts.
    """
    if name == "meyer":
        response: npt.NDArray[np.float64] = np.cos(meyer_phase(omega, transition))
        return response
    if name not in _LADDER:
        raise ValueError(f"directional filter {name!r} is not one of {', '.join(get_args(DirectionalFilter))}")
    taps = np.asarray(_LADDER[name])
    orders = np.arange(len(taps)) + 0.5
    result: npt.NDArray[np.float64] = 2 * np.tensordot(taps, np.cos(np.multiply.outer(orders, omega)), axes=1)
    return result


def meyer_phase(omega: npt.NDArray[np.float64], transition: float) -> npt.NDArray[np.float64]:
    """Return 0 for ``|w| < pi - transition`` and pi for ``|w| > pi + transition``, with period 4 pi.

    Between them it rises as ``pi v(x)`` with Meyer's ``v(x) = x^4 (35 - 84 x + 70 x^2 - 20 x^3)``; since
    ``v(x) + v(1 - x) = 1``, a shift of ``w`` by 2 pi gives pi less the phase: the sign of its cosine changes.
    """
    distance = np.abs((omega + 2 * np.pi) % (4 * np.pi) - 2 * np.pi)
    x = np.clip((distance - np.pi) / (2 * transition) + 0.5, 0.0, 1.0)
    result: npt.NDArray[np.float64] = np.pi * x**4 * (35 + x * (-84 + x * (70 - 20 * x)))
    return result


def _cosine_series(taps: tuple[float, ...], omega: npt.NDArray[np.float64]) -> npt.NDArray[np.complex128]:
    orders = np.arange(1, len(taps))
    series = taps[0] + 2 * np.tensordot(np.asarray(taps[1:]), np.cos(np.multiply.outer(orders, omega)), axes=1)
    result: npt.NDArray[np.complex128] = series.astype(np.complex128)
    return result
