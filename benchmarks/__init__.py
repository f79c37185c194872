"""How fast it is, beside what one would use otherwise: ``python -m benchmarks``, or ``make bench``.

Each file measures one thing and states its goal. Contestants take turns within one run, each in a process of its own,
and what counts is the ratio: milliseconds change from machine to machine and from day to day.
"""
