"""Segment, question and explain medical images through their frequencies."""

__version__ = "0.1.0"
