"""Copies of an Equinox module whose parts mark what they answer, found again in the traced program."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from .jaxpr_tags import Tag, mark

PLACE = "explorer_place"
"""The field with a module's path; static, so that nothing jitted forgets it."""

Path = tuple[str, ...]


def recording(node: Any, path: Path = ()) -> Any:
    """A copy of a module, or of lists, tuples and dictionaries of them, that marks its answers."""
    if is_module(type(node)):
        return _recording_module(node, path)
    if isinstance(node, list):
        return [recording(part, (*path, str(place))) for place, part in enumerate(node)]
    if isinstance(node, tuple):
        parts = [recording(part, (*path, str(place))) for place, part in enumerate(node)]
        return type(node)(*parts) if hasattr(node, "_fields") else tuple(parts)
    if type(node) is dict:
        return {key: recording(part, (*path, str(key))) for key, part in node.items()}
    return node


def is_module(kind: type) -> bool:
    """Whether a class is an Equinox module's, told without importing Equinox."""
    return any(
        base.__name__ == "Module" and base.__module__.startswith("equinox._module") for base in kind.__mro__
    )


def _recording_module(module: Any, path: Path) -> Any:
    kind: Any = type(module)
    if kind.__module__.startswith("equinox._"):  # bound methods, jitted functions: no layers
        return module
    is_layer = bool(_methods(kind))
    copy = object.__new__(_recording_class(kind) if is_layer else kind)
    for field in fields(kind):
        if hasattr(module, field.name):
            value = getattr(module, field.name)
            is_static = bool(field.metadata.get("static"))
            inside = value if is_static else recording(value, (*path, field.name))
            object.__setattr__(copy, field.name, inside)
    if is_layer:
        object.__setattr__(copy, PLACE, path)
    return copy


def _methods(kind: type) -> list[str]:
    """Names of the methods that a module answers by."""
    import equinox as eqx

    common = set(dir(eqx.Module))
    names = ["__call__", *(name for name in dir(kind) if not name.startswith("_") and name not in common)]
    # looked up in the classes: a class itself can be called, whether or not its instances can
    members = {name: value for base in reversed(kind.__mro__) for name, value in vars(base).items()}
    return [name for name in names if _is_method(members.get(name))]


def _is_method(member: Any) -> bool:
    """Whether a member of a class is called with the instance."""
    unbound = (staticmethod, classmethod, type, property)
    return callable(member) and hasattr(member, "__get__") and not isinstance(member, unbound)


@functools.cache
def _recording_class(kind: Any) -> Any:
    """A subclass whose methods mark their answers; made once, for JAX keeps it for good."""
    import equinox as eqx

    members: dict[str, Any] = {name: _recorded(kind, name) for name in _methods(kind)}
    members |= {PLACE: eqx.field(static=True, default=()), "__annotations__": {PLACE: tuple}}
    members |= {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    return type(kind)(kind.__name__, (kind,), members)


def _recorded(kind: Any, name: str) -> Callable[..., Any]:
    """The method of `kind`, marking its answer; a state that goes along is no activation."""
    import equinox as eqx

    original = getattr(kind, name)

    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        answer = original(self, *args, **kwargs)
        tag = Tag(getattr(self, PLACE), name, kind.__name__)
        if isinstance(answer, tuple) and len(answer) > 1 and isinstance(answer[-1], eqx.nn.State):
            values = answer[0] if len(answer) == 2 else answer[:-1]
            values = mark(values, tag)
            return (values, answer[-1]) if len(answer) == 2 else (*values, answer[-1])
        return mark(answer, tag)

    return method


def takes(forward: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The parameters of a model's call."""
    return inspect.signature(forward).parameters
