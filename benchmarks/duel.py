"""Contestants that take turns, each in its own process: none inherits another's memory, threads or settings."""

from __future__ import annotations

import multiprocessing
import time
from contextlib import ExitStack
from statistics import median
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    Prepare = Callable[..., Callable[[], object]]

# Idle threads of the one that has just run may spin for a moment; the next one must not pay for that.
PAUSE = 0.02


class Contestant:
    """A function in a process of its own.

    Parameters
    ----------
    prepare : callable
        A function of a module (it is imported by name there); called once with `arguments`, returns what is timed.
    """

    def __init__(self, prepare: Prepare, *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, prepare, arguments))
        self._process.start()
        theirs.close()

    def time(self, runs: int = 1) -> float:
        """Run it; return the seconds that the fastest of `runs` took.

        Raises
        ------
        RuntimeError
            If it failed; its traceback stands on stderr.
        """
        time.sleep(PAUSE)
        try:
            self._connection.send(runs)
            return float(self._connection.recv())
        except (EOFError, OSError) as error:
            raise RuntimeError("a contestant ended; its traceback stands above") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._process.join()


def duel(
    contestants: dict[str, tuple[Any, ...]], rounds: int = 9, warm_up: int = 2, runs: int = 1
) -> dict[str, list[float]]:
    """Let the contestants take turns; return the milliseconds of each round.

    Parameters
    ----------
    contestants : dict
        Name to (prepare, argument, ...), see `Contestant`.
    rounds, warm_up : int
        Rounds that count, and rounds before them that do not.
    runs : int
        How often a contestant runs in its turn; the fastest counts. What takes a few milliseconds is otherwise
        measured with sleeping threads and the caches of another.
    """
    times: dict[str, list[float]] = {name: [] for name in contestants}
    with ExitStack() as stack:
        running = {name: stack.enter_context(Contestant(*spec)) for name, spec in contestants.items()}
        for index in range(-warm_up, rounds):
            # Who begins changes, so that nobody always runs on a processor that another has just heated up.
            names = list(running) if index % 2 else list(running)[::-1]
            for name in names:
                seconds = running[name].time(runs)
                if index >= 0:
                    times[name].append(1000 * seconds)
    return times


def medians(times: dict[str, list[float]]) -> dict[str, float]:
    """Return the median of each contestant, in ms."""
    return {name: median(values) for name, values in times.items()}


def ratio(times: dict[str, list[float]], above: str, below: str) -> float:
    """Return the median over the rounds of ``above / below``: what slows a whole round cancels out."""
    return median(a / b for a, b in zip(times[above], times[below], strict=True))


def _serve(connection: Connection, prepare: Prepare, arguments: tuple[Any, ...]) -> None:
    run = prepare(*arguments)
    while True:
        try:
            runs = connection.recv()
        except EOFError:
            return
        seconds = []
        for _ in range(runs):
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
        connection.send(min(seconds))
