"""Make the pictures of transforms.md: ``python docs/make_transform_pictures.py``.

The subject is a slice of the computed brain; every tile is a band, black to white over its own range.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from napari_medfreq.io.samples import brain_phantom
from napari_medfreq.transforms import (
    DCT2,
    BandKey,
    BlockDCT,
    Contourlet,
    FourierBands,
    NonsubsampledContourlet,
    Planes,
    Wavelet,
    radial_spectrum,
    with_gains,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

FOLDER = Path(__file__).parent / "images" / "transforms"
TILE = 150
MARGIN = 4
LABEL = 18
FONT = ImageFont.load_default(size=13)


def main() -> None:
    """Write all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    volume, _ = brain_phantom(spacing=1.0, noise=0.004)
    flair = torch.from_numpy(volume.data[3].astype(np.float32)) / 1000
    spacing = volume.spacing
    middle = flair[flair.shape[0] // 2]
    height, width = (length // 16 * 16 for length in middle.shape)
    image = middle[:height, :width].flip(0)  # the front on top

    for name, transform, columns in (
        ("contourlet", Contourlet((2, 3)), 7),
        ("nonsubsampled", NonsubsampledContourlet((2, 3)), 7),
        ("wavelet", Wavelet("bior4.4", scales=2), 8),
    ):
        mosaic([("image", image), *bands_of(transform, image)], columns).save(FOLDER / f"{name}.png", optimize=True)
    dct(image)
    block_dct(image)
    fourier(image, spacing[-2:])
    planes(flair)
    spectra(image, spacing[-2:])


def bands_of(transform: Any, image: Tensor) -> list[tuple[str, Tensor]]:
    """Return each band of `image` with its key and its name."""
    parts = transform.split(transform(image))
    return [(f"{band.key} {band.name}".strip(), parts[band.key].squeeze()) for band in transform.layout()]


def dct(image: Tensor) -> None:
    """The coefficients as they lie, and the image without its finer scales."""
    transform = DCT2(scales=4)
    coefficients = transform(image)
    tiles = [("image", image), ("log |coefficients|", coefficients.abs().add(1e-3).log())]
    for scales in (1, 2, 3):
        gains = {band.key: 0.0 for band in transform.layout() if band.key.scale > scales}
        tiles.append((f"scales 0 to {scales}", with_gains(transform, coefficients, gains)))
    mosaic(tiles, 5).save(FOLDER / "dct.png", optimize=True)


def block_dct(image: Tensor) -> None:
    """Some coefficients of blocks of 8, and what is left without the finer ones."""
    transform = BlockDCT(8)
    bands = transform(image)
    parts = transform.split(bands)
    shown = [band for band in transform.layout() if band.name in {"(0, 0)", "(0, 1)", "(1, 1)", "(1, 0)", "(0, 3)"}]
    gains = {band.key: 0.0 for band in transform.layout() if band.key.scale > 2}
    tiles = [("image", image), *((f"{band.key} {band.name}", parts[band.key]) for band in shown)]
    mosaic([*tiles, ("scales 0 to 2", with_gains(transform, bands, gains))], 7).save(
        FOLDER / "block_dct.png", optimize=True
    )


def fourier(image: Tensor, spacing: tuple[float, ...]) -> None:
    """Rings with hard edges and with transitions of an octave."""
    tiles = [("image", image)]
    for kind, transition in (("hard", 0.0), ("soft", 1.0)):
        transform = FourierBands((0.05, 0.15), spacing, transition)
        for band, ring in zip(transform.layout(), transform(image), strict=True):
            tiles.append(("{:.2g}-{:.2g}/mm ".format(*band.frequency) + kind, ring))
    mosaic(tiles, 7).save(FOLDER / "fourier.png", optimize=True)


def planes(volume: Tensor) -> None:
    """Each plane of a volume, and the finest scale of its contourlets."""
    tiles = []
    for axis, name in enumerate(("axial", "coronal", "sagittal")):
        transform = Planes(Contourlet((2, 3)), axis)
        index = volume.shape[axis] // 2 - 14  # beside the midline
        chosen = volume.narrow(axis, index, 1)
        gains = {band.key: 0.0 for band in transform.layout() if band.key.scale < 2}
        for label, found in ((name, chosen), (f"{name}, scale 2", transform.with_gains(chosen, gains))):
            tiles.append((label, fitted(found.select(axis, 0).flip(0))))
    mosaic(tiles, 6).save(FOLDER / "planes.png", optimize=True)


def fitted(image: Tensor) -> Tensor:
    """Return the middle square of `image`."""
    side = min(image.shape)
    top, left = ((length - side) // 2 for length in image.shape)
    return image[top : top + side, left : left + side]


def spectra(image: Tensor, spacing: tuple[float, ...]) -> None:
    """The spectra of the image and of the image without the finest scale of its contourlets."""
    transform = Contourlet((2, 3))
    gains = {BandKey(2, direction): 0.0 for direction in range(8)}
    without = with_gains(transform, transform(image), gains)
    curves = [("image", (40, 90, 200)), ("without scale 2", (200, 70, 30))]
    found = [radial_spectrum(picture, spacing) for picture in (image, without)]
    plot([(*curve, *spectrum) for curve, spectrum in zip(curves, found, strict=True)]).save(
        FOLDER / "spectrum.png", optimize=True
    )


def mosaic(tiles: Iterable[tuple[str, Tensor]], columns: int) -> Image.Image:
    """Return labelled tiles of the shape of the first one, row by row."""
    tiles = list(tiles)
    rows = math.ceil(len(tiles) / columns)
    height, width = tiles[0][1].shape
    side = round(TILE * width / height)
    sheet = Image.new("L", (columns * (side + MARGIN), rows * (TILE + LABEL + MARGIN)), 255)
    draw = ImageDraw.Draw(sheet)
    for number, (label, band) in enumerate(tiles):
        row, column = divmod(number, columns)
        corner = (column * (side + MARGIN), row * (TILE + LABEL + MARGIN))
        draw.text(corner, label, fill=0, font=FONT)
        sheet.paste(picture(band, side), (corner[0], corner[1] + LABEL))
    return sheet


def picture(band: Tensor, side: int) -> Image.Image:
    """Return `band` in grey, stretched to the width `side`; the darkest and the brightest half per cent are cut off."""
    values = band.detach().numpy()
    low, high = np.percentile(values, (0.5, 99.5))
    grey = np.clip((values - low) / max(high - low, 1e-9), 0, 1) * 255
    found = Image.fromarray(grey.astype(np.uint8))
    return found.resize((side, TILE), Image.Resampling.NEAREST)


def plot(curves: list[tuple[str, tuple[int, int, int], Tensor, Tensor]]) -> Image.Image:
    """Return power over frequency, the power by decades."""
    left, top, wide, high = 70, 20, 560, 260
    sheet = Image.new("RGB", (left + wide + 20, top + high + 50), "white")
    draw = ImageDraw.Draw(sheet)
    decades = np.concatenate([power.clamp_min(1e-7).log10().numpy() for *_, power in curves])
    bottom, ceiling = math.floor(decades.min()), math.ceil(decades.max())
    last = max(float(frequencies[-1]) for _, _, frequencies, _ in curves)

    def place(frequency: float, decade: float) -> tuple[float, float]:
        return left + frequency / last * wide, top + (ceiling - decade) / (ceiling - bottom) * high

    for decade in range(bottom, ceiling + 1):
        y = place(0, decade)[1]
        draw.line([(left, y), (left + wide, y)], fill=(225, 225, 225))
        draw.text((left - 8, y), f"1e{decade}", fill=0, font=FONT, anchor="rm")
    for step in range(6):
        x = place(last * step / 5, bottom)[0]
        draw.text((x, top + high + 6), f"{last * step / 5:.2f}", fill=0, font=FONT, anchor="mt")
    draw.text((left + wide / 2, top + high + 28), "cycles/mm", fill=0, font=FONT, anchor="mt")
    draw.text((left, 2), "power spectral density, intensity^2 mm^2", fill=0, font=FONT)
    for number, (name, colour, frequencies, power) in enumerate(curves):
        levels = power.clamp_min(1e-7).log10()
        points = [place(float(f), float(p)) for f, p in zip(frequencies, levels, strict=True)]
        draw.line(points, fill=colour, width=2)
        draw.text((left + wide - 8, top + 8 + 18 * number), name, fill=colour, font=FONT, anchor="rt")
    return sheet


if __name__ == "__main__":
    main()
