"""A batch in parts that are computed at once: one computation alone leaves cores of a processor waiting."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .limits import processors

LEAST = 2
"""Inputs that a part has at least."""


class InParts:
    """A jitted function of (weights, *batches) that answers with one batch, computed on every core.

    XLA shares one convolution between threads and gains little; parts of the batch share nothing.
    Compiled ahead of time: what a thread has set of JAX would else be unknown to the others.
    """

    def __init__(self, function: Any) -> None:
        self._function = function
        self._compiled: dict[Any, Any] = {}

    def __call__(self, weights: Any, batches: Sequence[NDArray[Any]], parts: int) -> NDArray[np.float32]:
        """The answer to batches of equal length, in as many equal parts."""
        if parts == 1:
            return np.asarray(self._function(weights, *batches), np.float32)
        pieces = list(zip(*(np.split(batch, parts) for batch in batches), strict=True))
        shapes = tuple(piece.shape for piece in pieces[0])
        if shapes not in self._compiled:
            self._compiled[shapes] = self._function.lower(weights, *pieces[0]).compile()
        compiled = self._compiled[shapes]
        answers = _threads().map(lambda piece: np.asarray(compiled(weights, *piece), np.float32), pieces)
        return np.concatenate(list(answers))


def parts_of(batch: int) -> int:
    """In how many parts so many inputs are computed: an accelerator takes them whole."""
    import jax

    return 1 if jax.default_backend() != "cpu" else max(1, min(processors(), batch // LEAST))


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(processors(), thread_name_prefix="explorer-parts")
