"""Every error a user can cause, in one tree.

    ExplorerError              anything this package raises on purpose: one line, exit code 2
    ├── ModelError             a model or a model.toml cannot be used as it stands
    │   └── CheckpointError    a checkpoint is missing, damaged, or does not match its model
    ├── LayerError             a layer that the model or the run does not have
    ├── InputError             images, arrays or arguments that cannot be used
    ├── RunError               a run folder that is missing, unfinished, damaged, or of another capture
    ├── ReductionError         rows that cannot be projected as asked
    ├── RenderError            a picture or window that cannot be made here
    └── MissingExtraError      a framework that is not installed; names the extra that brings it

Messages are one line: the file or value, what is wrong with it, and what would be right.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ExplorerError(Exception):
    """Anything this package raises on purpose; the command line prints it and exits with 2."""


class ModelError(ExplorerError):
    """A model or a model.toml cannot be used as it stands."""


class CheckpointError(ModelError):
    """A checkpoint is missing, damaged, or does not match its model."""


class LayerError(ExplorerError):
    """A layer that the model or the run does not have."""


class InputError(ExplorerError):
    """Images, arrays or arguments that cannot be used."""


class RunError(ExplorerError):
    """A run folder that is missing, unfinished, damaged, or of another capture."""


class ReductionError(ExplorerError):
    """Rows that cannot be projected as asked."""


class RenderError(ExplorerError):
    """A picture or window that cannot be made here."""


class MissingExtraError(ExplorerError):
    """A framework that is not installed; names the extra that brings it."""


def suggest(name: str, known: Iterable[str], most: int = 8) -> str:
    """Say which known names are nearest to a wrong one, or list the first few.

    >>> suggest("blok2", ["block1", "block2", "head"])
    'did you mean block2 or block1?'
    >>> suggest("xyz", ["block1", "head"])
    'there are: block1, head'
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    listed = ", ".join(names[:most]) or "none"
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return f"there are: {listed}{rest}"


def first_line(error: BaseException) -> str:
    """The first line of an error's message, at most 200 characters."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def check_whole(value: object, what: str) -> None:
    """Raise `InputError` for what is no whole number: a fraction would be cut off in silence."""
    if not hasattr(value, "__index__"):
        raise InputError(f"{what} {value!r}: expected a whole number")


def check_seed(seed: int) -> None:
    """Raise `InputError` for a seed that not every generator of random numbers takes."""
    check_whole(seed, "seed")
    if not 0 <= seed < 2**32:
        raise InputError(f"seed {seed}: expected a whole number from 0 to {2**32 - 1}")
