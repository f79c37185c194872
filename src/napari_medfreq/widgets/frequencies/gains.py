"""What each band is multiplied by, with undo and redo. No widget is known here."""

from __future__ import annotations

from math import inf, log10
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_medfreq.engine.frequencies.presets import preset_gains, solo_gains

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from napari_medfreq.transforms.bands import Band, BandKey

MOST_STEPS = 200
MAX_DECIBELS = 20.0
MIN_DECIBELS = -40.0


class GainHistory:
    """The gains of the bands of one layout, and how they came to be.

    Attributes
    ----------
    changed : psygnal.Signal
        The gains, or what can be undone, are other than before.
    """

    changed = Signal()

    def __init__(self) -> None:
        self.layout: tuple[Band, ...] = ()
        self._gains: dict[BandKey, float] = {}
        self._past: list[dict[BandKey, float]] = []
        self._future: list[dict[BandKey, float]] = []
        self._drag: object = None

    @property
    def gains(self) -> dict[BandKey, float]:
        """The gains that are not 1."""
        return dict(self._gains)

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to take again."""
        return bool(self._future)

    def gain(self, key: BandKey) -> float:
        """Return what the band `key` is multiplied by."""
        return self._gains.get(key, 1.0)

    def set_layout(self, layout: Sequence[Band]) -> None:
        """Say which bands there are; if they are others than before, gains and history start afresh."""
        layout = tuple(layout)
        if [band.key for band in layout] == [band.key for band in self.layout] and self._same_limits(layout):
            self.layout = layout
            return
        self.layout = layout
        self._gains, self._past, self._future, self._drag = {}, [], [], None
        self.changed.emit()

    def set_gain(self, keys: Iterable[BandKey], gain: float, drag: object = None) -> None:
        """Multiply the bands `keys` by `gain`; calls in a row with one `drag` are undone in one step."""
        self._step(self._gains | dict.fromkeys(keys, gain), drag)

    def toggle_mute(self, key: BandKey) -> None:
        """Mute the band `key`, or give it back as it is in the image."""
        self.set_gain((key,), 1.0 if self.gain(key) == 0 else 0.0)

    def toggle_solo(self, keys: Iterable[BandKey]) -> None:
        """Mute all bands but `keys`; all sound again if it was so already."""
        solo = solo_gains(self.layout, keys)
        self._step({} if solo == self._gains else solo)

    def apply_preset(self, name: str) -> None:
        """Set the gains of one of `napari_medfreq.engine.frequencies.presets.PRESETS`."""
        self._step(preset_gains(name, self.layout))

    def reset(self) -> None:
        """Leave every band as it is in the image; can be undone."""
        self._step({})

    def undo(self) -> None:
        """Take the last step back."""
        if self._past:
            self._future.append(self._gains)
            self._gains = self._past.pop()
            self._drag = None
            self.changed.emit()

    def redo(self) -> None:
        """Take the step again that was taken back last."""
        if self._future:
            self._past.append(self._gains)
            self._gains = self._future.pop()
            self._drag = None
            self.changed.emit()

    def end_drag(self) -> None:
        """The next `set_gain` is a step of its own."""
        self._drag = None

    def _same_limits(self, layout: tuple[Band, ...]) -> bool:
        return all(
            new.angle == old.angle and max(abs(a - b) for a, b in zip(new.frequency, old.frequency, strict=True)) < 1e-9
            for new, old in zip(layout, self.layout, strict=True)
        )

    def _step(self, gains: Mapping[BandKey, float], drag: object = None) -> None:
        gains = {key: gain for key, gain in gains.items() if gain != 1}
        if gains == self._gains:
            return
        if drag is None or drag != self._drag:
            self._past = [*self._past[-MOST_STEPS + 1 :], self._gains]
        self._drag = drag
        self._future.clear()
        self._gains = gains
        self.changed.emit()


def decibels(gain: float) -> float:
    """Return the factor `gain` in dB (20 log10): minus infinity for 0."""
    return 20 * log10(gain) if gain > 0 else -inf


def factor(level: float) -> float:
    """Return the factor of `level` dB; exactly 1 for 0 dB."""
    return float(10 ** (level / 20))


def gain_text(gain: float) -> str:
    """Return what to call a gain: ``muted``, ``as it is``, ``+6.0 dB (×2.0)``."""
    if gain == 0:
        return "muted"
    return "as it is" if gain == 1 else f"{decibels(gain):+.1f} dB (×{gain:.2g})"
