"""Sample images: a fundus photograph and a computed brain, both without network, and a real case on demand."""

from __future__ import annotations

import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_medfreq.errors import FileError
from napari_medfreq.volume import Volume

if TYPE_CHECKING:
    import numpy.typing as npt

    Map = npt.NDArray[np.float32]

HIPPOCAMPUS_URL = "https://msd-for-monai.s3-us-west-2.amazonaws.com/Task04_Hippocampus.tar"
# The digest that MONAI publishes for this archive (monai.apps.DecathlonDataset); no other is published.
HIPPOCAMPUS_HASH = "md5:9d24dba78a72977dbd1d2e110310f31b"


@dataclass(frozen=True)
class Tissue:
    """Relaxation times in ms and relative proton density of a tissue."""

    t1: float
    t2: float
    density: float


# At 1.5 T, as in the BrainWeb simulator: Kwan, Evans and Pike, IEEE Trans. Med. Imaging 18:1085 (1999).
TISSUES = {
    "csf": Tissue(2569.0, 329.0, 1.0),
    "grey": Tissue(833.0, 83.0, 0.86),
    "white": Tissue(500.0, 70.0, 0.77),
    "lesion": Tissue(752.0, 237.0, 0.76),
}
# Relaxivity of gadopentetate in plasma at 1.5 T, L/(mmol s): Rohrer et al., Invest. Radiol. 40:715 (2005).
RELAXIVITY_R1, RELAXIVITY_R2 = 4.1, 4.6


def retina() -> Volume:
    """Return the colour fundus photograph of scikit-image (public domain, 1411x1411, uint8, red green blue)."""
    from skimage import data

    picture = np.moveaxis(np.asarray(data.retina()), -1, 0)
    return Volume(picture, axes="cyx", channels=("red", "green", "blue"), name="retina", calibrated=False)


def spin_echo(tissue: Tissue, repetition: float, echo: float) -> float:
    """Return the spin echo signal ``PD (1 - exp(-TR/T1)) exp(-TE/T2)``; times in ms."""
    return float(tissue.density * (1 - np.exp(-repetition / tissue.t1)) * np.exp(-echo / tissue.t2))


def inversion_recovery(tissue: Tissue, repetition: float, echo: float, inversion: float) -> float:
    """Return the magnitude ``PD |1 - 2 exp(-TI/T1) + exp(-TR/T1)| exp(-TE/T2)``; times in ms."""
    recovery = 1 - 2 * np.exp(-inversion / tissue.t1) + np.exp(-repetition / tissue.t1)
    return float(tissue.density * abs(recovery) * np.exp(-echo / tissue.t2))


def nulling_time(tissue: Tissue, repetition: float) -> float:
    """Return the inversion time in ms at which `tissue` gives no signal: ``T1 (ln 2 - ln(1 + exp(-TR/T1)))``."""
    return float(tissue.t1 * (np.log(2) - np.log1p(np.exp(-repetition / tissue.t1))))


def with_contrast_agent(tissue: Tissue, concentration: float) -> Tissue:
    """Return `tissue` with `concentration` mmol/L of gadopentetate: ``1/T' = 1/T + r C``."""
    t1 = 1 / (1 / tissue.t1 + RELAXIVITY_R1 * concentration / 1000)
    t2 = 1 / (1 / tissue.t2 + RELAXIVITY_R2 * concentration / 1000)
    return Tissue(t1, t2, tissue.density)


def brain_phantom(spacing: float = 1.5, noise: float = 0.015, seed: int = 0) -> tuple[Volume, Volume]:
    """Compute a brain in four MR contrasts, and its lesion.

    Tissue maps (ellipsoids with a folded cortex, ventricles, deep nuclei and one lesion in the white matter, with
    partial volumes) are turned into signals by the equations of the sequences: spin echo for t1, t1c and t2, inversion
    recovery with the inversion time that nulls the liquor for flair. The lesion takes up the contrast agent in t1c.

    Parameters
    ----------
    spacing : float
        Side of the cubic voxels in mm.
    noise : float
        Standard deviation of the noise in each channel of the receiver, as a fraction of the proton density of
        liquor; the magnitude image then has Rician noise.
    seed : int
        Seed of the folding and of the noise.

    Returns
    -------
    images : Volume
        float32, axes ``czyx``, channels t1, t1c, t2, flair, proton density of liquor = 1000.
    lesion : Volume
        uint8 labels ``zyx`` on the same grid: 1 where at least half of the voxel is lesion.
    """
    generator = np.random.default_rng(seed)
    shape = tuple(round(side / spacing) for side in (170.0, 204.0, 168.0))
    maps = _tissue_maps(shape, spacing, generator)
    images = np.stack([_magnitude(maps, signals, noise, generator) for signals in _sequences().values()])
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = [-(side - 1) / 2 * spacing for side in shape[::-1]]
    image = Volume(images, affine, "czyx", tuple(_sequences()), name="brain phantom")
    lesion = (maps["lesion"] >= 0.5).astype(np.uint8)
    return image, image.like(lesion, kind="labels", name="brain phantom lesion")


def hippocampus(case: str = "hippocampus_001", cache: Path | None = None) -> tuple[Path, Path]:
    """Fetch a T1 MR image and its labels from the Medical Segmentation Decathlon, task 04 (CC BY-SA 4.0).

    The archive (27 MB) is downloaded once and its digest is checked.

    Parameters
    ----------
    case : str
        Name of a training case.
    cache : pathlib.Path, optional
        Where to keep it; by default the user's cache folder.

    Returns
    -------
    image, labels : pathlib.Path
        NIfTI files.

    Raises
    ------
    FileError
        Without network, if the digest differs, or if there is no such case.
    """
    import pooch

    folder = cache or Path(pooch.os_cache("napari-medfreq"))
    try:
        archive = pooch.retrieve(HIPPOCAMPUS_URL, HIPPOCAMPUS_HASH, HIPPOCAMPUS_URL.rsplit("/", 1)[1], folder)
    except (OSError, ValueError) as error:
        raise FileError(
            f"The hippocampus sample could not be downloaded from {HIPPOCAMPUS_URL}: {error}. "
            "Check the network, or open the retina photograph or the brain phantom, which need none."
        ) from error
    image, labels = (_extract(Path(archive), part, case, folder) for part in ("imagesTr", "labelsTr"))
    return image, labels


def _extract(archive: Path, part: str, case: str, folder: Path) -> Path:
    target = folder / "hippocampus" / part / f"{case}.nii.gz"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".part")
    with tarfile.open(archive) as tar:
        try:
            source = tar.extractfile(f"Task04_Hippocampus/{part}/{case}.nii.gz")
        except KeyError as error:
            raise FileError(f"{archive.name} holds no case {case!r}.") from error
        if source is None:
            raise FileError(f"{archive.name}: {part}/{case}.nii.gz is not a file.")
        with source, partial.open("wb") as sink:
            shutil.copyfileobj(source, sink)
    partial.replace(target)
    return target


def _sequences() -> dict[str, dict[str, float]]:
    """Signal of each tissue in each contrast."""
    agent = TISSUES | {"lesion": with_contrast_agent(TISSUES["lesion"], 0.6)}
    inversion = nulling_time(TISSUES["csf"], 9000.0)
    return {
        "t1": {name: spin_echo(tissue, 500.0, 12.0) for name, tissue in TISSUES.items()},
        "t1c": {name: spin_echo(tissue, 500.0, 12.0) for name, tissue in agent.items()},
        "t2": {name: spin_echo(tissue, 4000.0, 100.0) for name, tissue in TISSUES.items()},
        "flair": {name: inversion_recovery(tissue, 9000.0, 120.0, inversion) for name, tissue in TISSUES.items()},
    }


def _magnitude(
    maps: dict[str, Map], signals: dict[str, float], noise: float, generator: np.random.Generator
) -> npt.NDArray[np.float32]:
    signal = np.zeros_like(maps["csf"])
    for name, fraction in maps.items():
        signal += np.float32(signals[name]) * fraction
    real = signal + noise * generator.standard_normal(signal.shape, dtype=np.float32)
    imaginary = noise * generator.standard_normal(signal.shape, dtype=np.float32)
    return np.asarray(1000 * np.hypot(real, imaginary), dtype=np.float32)


def _tissue_maps(shape: tuple[int, ...], spacing: float, generator: np.random.Generator) -> dict[str, Map]:
    """Fractions of liquor, grey and white matter and lesion in each voxel; their sum is 1 inside the skull, else 0."""
    axes = [((np.arange(side) - (side - 1) / 2) * spacing).astype(np.float32) for side in shape]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    folds = _folds(shape, spacing, generator)

    def inside(
        centre: tuple[float, float, float],
        radii: tuple[float, float, float],
        swell: Map | float = 0.0,
        tilt: float = 0.0,
    ) -> Map:
        """Share of each voxel within an ellipsoid (x, y, z in mm) whose surface is moved outwards by `swell` mm."""
        dx, dy, dz = x - centre[0], y - centre[1], z - centre[2]
        across, along = dx * np.cos(tilt) - dy * np.sin(tilt), dx * np.sin(tilt) + dy * np.cos(tilt)
        radius = np.sqrt((across / radii[0]) ** 2 + (along / radii[1]) ** 2 + (dz / radii[2]) ** 2)
        distance = (radius - 1) * np.float32(min(radii)) - swell
        return np.asarray(np.clip(0.5 - distance / spacing, 0, 1), dtype=np.float32)

    skull = inside((0, 0, 0), (70, 88, 70))
    fissure = np.clip(1.5 - np.abs(x) / 1.5, 0, 1) * (z > 12)
    sulci = 1.5 + 9 * np.maximum(folds - 0.1, 0)
    brain = inside((0, 0, 0), (67, 85, 67), swell=-sulci) * (1 - fissure.astype(np.float32))
    # The cortex is the ribbon between the brain's surface and the white matter; it also lines the midline.
    white = inside((0, 0, 0), (67, 85, 67), swell=-5.0 - sulci - 4 * np.maximum(folds + 0.4, 0))
    white *= np.clip((np.abs(x) - 5) / spacing, 0, 1)
    white = np.maximum(white, inside((0, -2, 22), (34, 36, 5)))
    nuclei = np.maximum.reduce(
        [inside((side * 12, -8, 0), (8, 14, 9)) for side in (-1, 1)]
        + [inside((side * 25, 6, -1), (6, 16, 10), tilt=side * 0.25) for side in (-1, 1)]
    )
    ventricles = np.maximum.reduce(
        [inside((side * 9, 8, 14), (5, 24, 7), tilt=side * 0.2) for side in (-1, 1)]
        + [inside((side * 17, -30, 6), (6, 16, 8), tilt=-side * 0.3) for side in (-1, 1)]
        + [inside((0, -6, 0), (2.5, 12, 9))]
    )
    lesion = inside((33, 24, 16), (11, 14, 10), swell=4 * folds) * brain
    liquor = np.maximum(ventricles, 1 - brain)
    remaining = skull * (1 - liquor)
    sick = remaining * lesion
    healthy = remaining - sick
    white = np.minimum(white, 1 - nuclei)
    return {"csf": skull * liquor, "grey": healthy * (1 - white), "white": healthy * white, "lesion": sick}


def _folds(shape: tuple[int, ...], spacing: float, generator: np.random.Generator) -> Map:
    """Smooth random field, about -1 to 1, with the wavelength of gyri."""
    field = ndimage.gaussian_filter(generator.standard_normal(shape, dtype=np.float32), 3.6 / spacing)
    return np.asarray(np.clip(field / (2 * field.std()), -1, 1), dtype=np.float32)
