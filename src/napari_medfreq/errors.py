"""The errors that this package raises on purpose.

Each message says what was received and what to do about it, in words that can be shown to a clinician as they are.
Anything else that escapes is a bug.
"""


class MedfreqError(Exception):
    """Base of all errors whose message may be shown to the user without a traceback."""


class FileError(MedfreqError):
    """A file cannot be read or written; the message names the file and the remedy."""


class ModelError(MedfreqError):
    """A model folder is incomplete, damaged or not what it claims to be."""


class InputError(MedfreqError):
    """An image or a parameter does not fit what was asked for."""


class DatasetError(MedfreqError):
    """A training or evaluation set is inconsistent."""


class ComputeError(MedfreqError):
    """The compute side failed: it was killed, ran out of memory or broke."""


class Cancelled(MedfreqError):  # not a failure, hence no "Error" in its name: the user asked for it
    """The user cancelled the request."""
