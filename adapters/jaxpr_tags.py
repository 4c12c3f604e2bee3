"""Marks that survive tracing: a value is given a name, whatever transformation runs around it.

A module's answer inside vmap, jit or remat is a tracer that must not leave it. So it is not taken
out; it is marked by an operation that does nothing, and found again in the traced program. vmap
puts the axis it adds in front of a marked value and counts it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from .jaxpr_program import Operation, Program, inner_jaxprs

NAME = "activation"


@dataclass(frozen=True)
class Tag:
    """What a mark says.

    Attributes:
        path: the module's names from the top.
        method: "__call__", another method's name, or "" for a named value.
        kind: the module's class.
    """

    path: tuple[str, ...]
    method: str
    kind: str


@dataclass(frozen=True)
class Tagged:
    """A mark as it was found in a program.

    Attributes:
        tag: what it says.
        numbers: the marked values, one a leaf of the answer.
        mapped: how many axes vmap has put in front of each.
        tree: the answer's tree.
    """

    tag: Tag
    numbers: tuple[int, ...]
    mapped: tuple[int, ...]
    tree: Any


def mark(answer: Any, tag: Tag) -> Any:
    """The same answer, its arrays marked; a tree without arrays is returned as it is."""
    import jax
    import jax.numpy as jnp

    leaves, tree = jax.tree.flatten(answer)
    if not leaves or not all(isinstance(leaf, jax.Array) for leaf in leaves):
        return answer
    marked = _primitive().bind(*map(jnp.asarray, leaves), tag=tag, mapped=(0,) * len(leaves), tree=tree)
    return jax.tree.unflatten(tree, marked)


def tags(program: Program) -> list[Tagged]:
    """The marks of a program, in the order the modules answered."""
    return [_tagged(operation) for operation in program.operations if operation.primitive == NAME]


def inner_tags(operation: Operation) -> Iterator[Tag]:
    """The marks inside a loop or branch, whose values can't be taken out."""
    waiting = list(inner_jaxprs(operation.equation))
    while waiting:
        jaxpr = waiting.pop()
        for equation in getattr(jaxpr, "jaxpr", jaxpr).eqns:
            if equation.primitive.name == NAME:
                yield equation.params["tag"]
            waiting += inner_jaxprs(equation)


def _tagged(operation: Operation) -> Tagged:
    params = operation.equation.params
    return Tagged(params["tag"], operation.outputs, params["mapped"], params["tree"])


@cache
def _primitive() -> Any:
    """The operation that does nothing but carry a mark through every transformation."""
    from jax.extend.core import Primitive
    from jax.interpreters import ad, batching, mlir

    primitive = Primitive(NAME)
    primitive.multiple_results = True
    primitive.def_impl(lambda *values, **_: list(values))
    primitive.def_abstract_eval(lambda *shapes, **_: list(shapes))
    batching.primitive_batchers[primitive] = _batched
    ad.primitive_jvps[primitive] = _differentiated
    mlir.register_lowering(primitive, lambda _, *values, **__: list(values))
    return primitive


def _batched(values: Sequence[Any], axes: Sequence[int | None], *, mapped: Any, **params: Any) -> Any:
    import jax.numpy as jnp

    moved = [
        value if axis is None else jnp.moveaxis(value, axis, 0)
        for value, axis in zip(values, axes, strict=True)
    ]
    counts = tuple(count + (axis is not None) for count, axis in zip(mapped, axes, strict=True))
    return _primitive().bind(*moved, mapped=counts, **params), [None if axis is None else 0 for axis in axes]


def _differentiated(values: Sequence[Any], tangents: Sequence[Any], **params: Any) -> Any:
    return _primitive().bind(*values, **params), list(tangents)
