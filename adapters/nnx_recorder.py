"""Note what the methods of an NNX module answer, by giving a copy of it recording classes.

`nnx.capture` keeps what is sown, also through `nnx.remat` and the like. Its own `method_outputs`
patches the user's classes for everybody, mistakes static methods for methods, does not see
inherited ones and forgets their order; so the sowing is done here, in subclasses of those classes.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from .inference import layer_argument, with_argument
from .jit_capture import is_arrays
from .jit_layers import Answer
from .weights import WeightPath

PLACE = "_recorded_place"
"""Attribute with a module's path; a string, which NNX carries along wherever it copies a module."""


class Recorder:
    """Which methods answered, and what was sown, in their order."""

    def __init__(self) -> None:
        self._paths: dict[str, WeightPath] = {}
        self._kinds: dict[tuple[str, str], str] = {}

    def place(self, path: tuple[Any, ...]) -> str:
        """One string for a module's path."""
        strings = tuple(str(step) for step in path)
        place = "/".join(strings)
        self._paths[place] = strings
        return place

    def note(self, place: str, name: str, kind: str) -> None:
        """Note that a method of the module at this place has answered, or has sown a value."""
        self._kinds.setdefault((place, name), kind)

    def answers(self, values: Mapping[WeightPath, Any], parameters: Mapping[WeightPath, int]) -> list[Answer]:
        """The values that were kept, by the path of their module and their name, in their order."""
        answers = []
        for (place, name), kind in self._kinds.items():
            path = self._paths[place]
            value = values.get((*path, name))
            calls = value if isinstance(value, tuple) else (value,)
            if value is not None and kind == "sown":
                answers.append(Answer((*path, name), "", kind, 0, calls))
            elif value is not None:
                answers.append(Answer(path, name, kind, parameters.get(path, 0), calls))
        return answers


_current: ContextVar[Recorder] = ContextVar("recorder")


@contextmanager
def recording(module: Any, recorder: Recorder) -> Iterator[None]:
    """Let every module inside `module`, which is changed by it, tell `recorder` of its answers."""
    from flax import nnx

    for path, part in list(nnx.iter_modules(module)):
        kind: Any = type(part)
        part.__class__ = _recording_class(kind)
        setattr(part, PLACE, recorder.place(path))
    token = _current.set(recorder)
    try:
        yield
    finally:
        _current.reset(token)


@functools.cache
def _recording_class(kind: Any) -> Any:
    """A subclass whose public methods sow what they answer; made once, for JAX keeps it for good."""
    members: dict[str, Any] = {name: _recorded(kind, name) for name in _methods(kind)}
    members |= {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "sow": _noted_sow(kind)}
    is_pytree = getattr(kind, "_pytree__is_pytree", True)
    return type(kind)(kind.__name__, (kind,), members, pytree=is_pytree)


def _methods(kind: type) -> list[str]:
    """Names of the public methods that a module has beyond those of every module."""
    from flax import nnx

    common = set(dir(nnx.Module)) - {"__call__"}
    names = [name for name in dir(kind) if name == "__call__" or not name.startswith("_")]
    return [name for name in names if name not in common and _is_method(inspect.getattr_static(kind, name))]


def _is_method(member: Any) -> bool:
    """Whether a member of a class is called with the instance."""
    unbound = (staticmethod, classmethod, type)
    return callable(member) and hasattr(member, "__get__") and not isinstance(member, unbound)


def _recorded(kind: Any, name: str) -> Callable[..., Any]:
    """The method of `kind`, sowing its answer; one of Flax's own layers is told to infer."""
    from flax import nnx

    original = getattr(kind, name)

    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        forced = layer_argument(self, "flax.nnx.") if name == "__call__" else None
        if forced is not None:
            (_, *args), kwargs = with_argument(original, ((self, *args), kwargs), forced)  # type: ignore[assignment]
        answer = original(self, *args, **kwargs)
        recorder = _current.get(None)
        if recorder is not None and is_arrays(answer):
            kind.sow(self, nnx.Intermediate, name, answer)
            recorder.note(getattr(self, PLACE), name, kind.__name__)
        return answer

    return method


def _noted_sow(kind: Any) -> Callable[..., Any]:
    """The `sow` of `kind`, noting the name that is sown."""
    original = kind.sow

    @functools.wraps(original)
    def sow(self: Any, variable_type: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        recorder = _current.get(None)
        if recorder is not None:
            recorder.note(getattr(self, PLACE), name, "sown")
        return original(self, variable_type, name, *args, **kwargs)

    return sow
