"""Let every layer of a Keras model mark what it answers, for as long as the model is traced."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .jaxpr_tags import Tag, mark


@contextmanager
def marking_layers() -> Iterator[None]:
    """Let layers, and operations such as the sum of two layers' answers, mark what they answer.

    Keras has no hooks, so the two methods through which it calls everything are replaced meanwhile.
    Other threads go through the originals.
    """
    import keras

    layer, operation = keras.layers.Layer, keras.Operation
    before = (layer.__call__, operation.__call__)
    stack = _Stack(threading.get_ident())
    layer.__call__ = stack.recorded(before[0], lambda _: True)
    operation.__call__ = stack.recorded(before[1], lambda called: not isinstance(called, layer))
    try:
        yield
    finally:
        layer.__call__, operation.__call__ = before


class _Stack:
    """The layers that are running, outermost first; the model itself is no place in it."""

    def __init__(self, thread: int) -> None:
        self._thread = thread
        self._names: list[str] = []
        self._depth = 0

    def recorded(self, original: Callable[..., Any], is_wanted: Callable[[Any], bool]) -> Callable[..., Any]:
        """`original`, marking what it answers."""

        @functools.wraps(original)
        def call(called: Any, *args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != self._thread or not is_wanted(called):
                return original(called, *args, **kwargs)
            if kwargs.get("training"):  # of a layer that was told to train for good
                kwargs["training"] = False
            is_model = self._depth == 0
            self._depth += 1
            if not is_model:
                self._names.append(called.name)
            path = tuple(self._names)
            try:
                answer = original(called, *args, **kwargs)
            finally:
                self._depth -= 1
                if not is_model:
                    self._names.pop()
            return _marked(answer, Tag(path, "__call__", type(called).__name__))

        return call


def _marked(answer: Any, tag: Tag) -> Any:
    """The marked answer, with the masks that Keras had put on it."""
    import jax

    marked = mark(answer, tag)
    for old, new in zip(jax.tree.leaves(answer), jax.tree.leaves(marked), strict=True):
        mask = getattr(old, "_keras_mask", None)
        if mask is not None:
            new._keras_mask = mask
    return marked


def takes_training(model: Any) -> bool:
    """Whether a model's call can be told to infer."""
    return "training" in inspect.signature(model.call).parameters
