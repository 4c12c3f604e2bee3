"""Attention weights of a JAX model: softmaxes over as many tokens as look, found in its program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .asked import numbered
from .jaxpr_program import Operation, Program, trace

PASSED = frozenset({"broadcast_in_dim", "convert_element_type", "reshape", "squeeze", "expand_dims", "copy"})
"""Primitives that hand their first operand on."""


@dataclass(frozen=True)
class Softmax:
    """A softmax that may be attention.

    Attributes:
        number: of its value in the program.
        name: the scopes around it; "" where there are none.
        axes: that of the batch, all others, that of the tokens that look, and that of those looked at.
    """

    number: int
    name: str
    axes: tuple[int, ...]


def attention_of(
    function: Callable[..., Any], weights: Any, shape: tuple[int, ...]
) -> tuple[list[str], Callable[..., Any]]:
    """The attention that a function's only result depends on, for inputs of a shape (batch, …).

    Returns:
        A name for each, in the order they are computed; and the compiled function of (weights, inputs)
        that returns them, each (batch, heads, tokens that look, tokens looked at).
    """
    import jax

    program, more = (
        trace(function, weights, jax.ShapeDtypeStruct((batch, *shape[1:]), np.float32))[0]
        for batch in (shape[0], shape[0] + 1)
    )
    found = list(_softmaxes(program, more)) if len(program.shapes) == len(more.shapes) else []

    def attend(weights: Any, inputs: Any) -> list[Any]:
        values = program.run(jax.tree.leaves((weights, inputs)))
        turned = [values[one.number].transpose(one.axes) for one in found]
        return [value.reshape(shape[0], -1, *value.shape[-2:]) for value in turned]

    names: list[str] = []
    for number, one in enumerate(found, start=1):
        names.append(numbered(one.name, names) if one.name else f"softmax {number}")
    return names, jax.jit(attend)


def _softmaxes(program: Program, more: Program) -> Iterator[Softmax]:
    """Softmaxes over an axis as long as another one, in what the program's result needs.

    Args:
        program: the program.
        more: the same for a batch of one input more, which tells the batch's axis.
    """
    made = {number: operation for operation in program.operations for number in operation.outputs}
    needed = program.needed_for(set(program.results))
    for operation in program.operations:
        number = operation.outputs[0]
        key = _summed_over(operation, made) if number in needed else None
        shape, other = tuple(program.shapes[number].shape), tuple(more.shapes[number].shape)
        follow = [axis for axis, sizes in enumerate(zip(shape, other, strict=True)) if sizes[0] != sizes[1]]
        if key is None or len(follow) != 1 or key in follow or shape[key] < 2:
            continue
        free = [axis for axis in range(len(shape)) if axis not in (key, *follow)]
        looking = [axis for axis in free if shape[axis] == shape[key]]
        if looking:
            query = min(looking, key=lambda axis: (abs(axis - key), axis))
            heads = [axis for axis in free if axis != query]
            name = "/".join(part for part in operation.scope if "softmax" not in part)
            yield Softmax(number, name, (*follow, *heads, query, key))


def _summed_over(operation: Operation, made: dict[int, Operation]) -> int | None:
    """The axis of a softmax, whose last step is a quotient of exponentials and their sum; else None."""
    if operation.primitive != "div":
        return None
    above = _source(operation.inputs[0], made)
    below = made.get(_source(operation.inputs[1], made))
    if below is None or below.primitive != "reduce_sum" or len(below.equation.params["axes"]) != 1:
        return None
    source = made.get(above)
    same = _source(below.inputs[0], made) == above and source is not None and source.primitive == "exp"
    return int(below.equation.params["axes"][0]) if same else None


def _source(number: int, made: dict[int, Operation]) -> int:
    """The value that a value is but another form of."""
    while number in made and made[number].primitive in PASSED:
        number = made[number].inputs[0]
    return number
