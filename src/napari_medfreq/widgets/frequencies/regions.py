"""Where each band lies in the plane of frequencies, as polygons to draw and to click on.

The plane runs from -1 to 1 along both axes, the mean of the image (frequency 0) in its centre, the horizontal frequency
to the right and the vertical one down, as pixels count. An image is real, so its spectrum is symmetric about the
centre: each band has two halves, which are one and the same. So that coarse bands can be seen and hit, every scale gets
a frame of the same width; the scale on the side says which frequencies they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from napari_medfreq.transforms.bands import Band, BandKey

    Polygon = npt.NDArray[np.float64]

Shape = Literal["squares", "rings"]
_ARC_DEGREES = 3.0


@dataclass(frozen=True, eq=False)
class Region:
    """The polygons of one band.

    Attributes
    ----------
    band : Band
        Which band.
    polygons : tuple of numpy.ndarray, shape (N, 2)
        Corners (x, y); where one polygon lies in another the inner one is a hole.
    centre : tuple of float
        A point well inside, for text.
    """

    band: Band
    polygons: tuple[Polygon, ...]
    centre: tuple[float, float]

    @property
    def key(self) -> BandKey:
        """Key of the band."""
        return self.band.key


def regions_of(layout: Sequence[Band], shape: Shape = "squares") -> tuple[Region, ...]:
    """Return the regions of all bands, in their order."""
    warp = _Warp(layout)
    return tuple(_region(band, layout, shape, warp) for band in layout)


def scale_edges(layout: Sequence[Band]) -> list[tuple[float, float]]:
    """Return for the outer edge of every scale where it is drawn, 0 to 1, and its frequency in cycles per sample."""
    warp = _Warp(layout)
    return [(float(warp(edge)), float(edge)) for edge in warp.edges[1:]]


class _Warp:
    """From frequency, cycles per sample, to distance from the centre: linear within a scale, equal steps between."""

    def __init__(self, layout: Sequence[Band]) -> None:
        highest = max((band.frequency[1] for band in layout), default=0.5)
        edges = sorted({0.0, *(round(band.frequency[1], 9) for band in layout)})
        self.linear = any(_grid_place(band) is not None for band in layout)
        if self.linear:
            edges = [0.0, highest / 4, highest / 2, highest]
        self.edges = np.array(edges if len(edges) > 1 else [0.0, 0.5])
        steps = np.linspace(0, 1, len(self.edges))
        self.places = self.edges / highest if self.linear else steps

    def __call__(self, frequency: npt.ArrayLike) -> npt.NDArray[np.float64]:
        values = np.asarray(frequency, dtype=np.float64)
        warped: npt.NDArray[np.float64] = np.sign(values) * np.interp(np.abs(values), self.edges, self.places)
        return warped


def _region(band: Band, layout: Sequence[Band], shape: Shape, warp: _Warp) -> Region:
    cell = _grid_place(band)
    if cell is not None:
        return _cell(band, cell, round(len(layout) ** 0.5))
    if re.fullmatch(r"[LH]{2}", band.name) and "H" in band.name:
        return _rectangles(band, warp)
    inner, outer = (float(warp(limit)) for limit in band.frequency)
    outline = _ring if shape == "rings" else _square
    angle = band.angle or _share_of_circle(band, layout)
    if angle is None:
        rim = outline(outer, -45.0, 315.0)
        hole = (outline(inner, -45.0, 315.0),) if inner > 0 else ()
        return Region(band, (rim, *hole), (0.0, -(inner + outer) / 2 if inner > 0 else 0.0))
    first, last = angle
    halves = [
        np.vstack([outline(outer, first + turn, last + turn), outline(inner, first + turn, last + turn)[::-1]])
        for turn in (0.0, 180.0)
    ]
    middle = outline((inner + outer) / 2, (first + last) / 2, (first + last) / 2)[0]
    return Region(band, tuple(halves), (float(middle[0]), float(middle[1])))


def _share_of_circle(band: Band, layout: Sequence[Band]) -> tuple[float, float] | None:
    """Return a share of the half plane for a band that has no direction in it but company in its scale (3D)."""
    company = [other.key for other in layout if other.key.scale == band.key.scale]
    if len(company) == 1:
        return None
    width = 180.0 / len(company)
    start = -45.0 + width * company.index(band.key)
    return start, start + width


def _square(radius: float, first: float, last: float) -> Polygon:
    """Return the rim of a square of half side `radius` between two angles in degrees, its corners included."""
    corners = [angle for angle in range(-405, 766, 90) if first < angle < last]
    return np.array([_on_square(radius, angle) for angle in (first, *corners, last)])


def _on_square(radius: float, angle: float) -> tuple[float, float]:
    x, y = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    longest = max(abs(x), abs(y))
    return radius * float(x) / longest, radius * float(y) / longest


def _ring(radius: float, first: float, last: float) -> Polygon:
    angles = np.radians(np.linspace(first, last, max(2, round((last - first) / _ARC_DEGREES))))
    return np.column_stack([radius * np.cos(angles), radius * np.sin(angles)])


def _rectangles(band: Band, warp: _Warp) -> Region:
    """Return where a separable band lies: high along the axes with an H, low along the others."""
    inner, outer = (float(warp(limit)) for limit in band.frequency)
    across, down = (((inner, outer) if letter == "H" else (-inner, inner)) for letter in band.name)
    if band.name == "HH":
        boxes = [_box(_flip(across, x), _flip(down, y)) for x in (1, -1) for y in (1, -1)]
    elif band.name == "HL":
        boxes = [_box(_flip(across, x), down) for x in (1, -1)]
    else:
        boxes = [_box(across, _flip(down, y)) for y in (1, -1)]
    centre = boxes[0].mean(axis=0)
    return Region(band, tuple(boxes), (float(centre[0]), float(centre[1])))


def _flip(limits: tuple[float, float], sign: int) -> tuple[float, float]:
    return (sign * limits[0], sign * limits[1])


def _box(across: tuple[float, float], down: tuple[float, float]) -> Polygon:
    (left, right), (top, bottom) = across, down
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def _grid_place(band: Band) -> tuple[int, int] | None:
    """Return vertical and horizontal index of a coefficient of the block DCT, from its name ``(2, 3)``."""
    found = re.fullmatch(r"\((\d+), ?(\d+)\)", band.name)
    return (int(found[1]), int(found[2])) if found else None


def _cell(band: Band, cell: tuple[int, int], side: int) -> Region:
    """Return the four mirrored cells of a coefficient; those along the axes meet and are one."""
    down, across = (((index - 0.5) / (side - 0.5), (index + 0.5) / (side - 0.5)) for index in cell)
    ways: Callable[[int], tuple[int, ...]] = lambda index: (1, -1) if index else (1,)  # noqa: E731
    boxes = [_box(_flip(across, x), _flip(down, y)) for x in ways(cell[1]) for y in ways(cell[0])]
    centre = boxes[0].mean(axis=0)
    return Region(band, tuple(boxes), (float(centre[0]), float(centre[1])))
