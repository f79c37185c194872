"""Which contrasts a synthesis model takes for which target, and why it refuses others. Needs no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def inputs_for(contrasts: tuple[str, ...], target: str) -> tuple[str, ...]:
    """Return the inputs of `target` in the order of the network's branches: the cyclic rotation that ends before it.

    Of t1, t1c, t2, flair the inputs of t2 are flair, t1, t1c. A branch is therefore not tied to one contrast, and the
    order matters (AE-GAN, official code: ``bcaosudo/AE-GAN``).

    Raises
    ------
    ValueError
        If the model does not know the target.
    """
    if target not in contrasts:
        raise ValueError(f"this model makes {', '.join(contrasts)}; it does not know {target!r}.")
    at = contrasts.index(target)
    return contrasts[at + 1 :] + contrasts[:at]


def missing_contrast(contrasts: tuple[str, ...], given: Iterable[str], target: str | None = None) -> str:
    """Return the contrast that can be made from those that are given.

    Parameters
    ----------
    contrasts : tuple of str
        What the model knows.
    given : iterable of str
        What there is of the person.
    target : str, optional
        What is asked for; it may itself be given (to compare with). By default the only one that is missing.

    Raises
    ------
    ValueError
        If the subset is one that the model never saw: it was trained with exactly one contrast missing, and what it
        would make of fewer is invented.
    """
    have = list(given)
    if unknown := [name for name in have if name not in contrasts]:
        raise ValueError(f"this model takes {', '.join(contrasts)}; it does not know {', '.join(unknown)}.")
    missing = [name for name in contrasts if name not in have]
    if target is None:
        if not missing:
            raise ValueError("no contrast is missing. Say which one to make anew, to compare it with the real one.")
        if len(missing) == 1:
            return missing[0]
    else:
        needed = inputs_for(contrasts, target)
        if not (missing := [name for name in needed if name not in have]):
            return target
        missing = [target, *missing] if target not in have else missing
    raise ValueError(
        f"{', '.join(missing)} are missing. The model was trained with exactly one contrast missing of "
        f"{', '.join(contrasts)} and never saw fewer; what it would make of them would be invented."
    )
