"""How OpenMP's threads wait for each other; to be settled before torch is imported."""

from __future__ import annotations

import os

# Turns of the waiting loop before a thread goes to sleep, about a hundredth of a millisecond.
_SPINS = "1000"


def let_threads_sleep() -> None:
    """Make the threads of GNU OpenMP (torch on Linux) go to sleep soon where they wait, unless the user said otherwise.

    By default they spin. Where another program wants the same cores (a viewer that is painted in, a training run), the
    spinning ones keep the working one from its core: on two busy cores one image of 352x352 took over ten seconds
    instead of 0.4. On an idle machine the two are equal to a few percent.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = _SPINS
