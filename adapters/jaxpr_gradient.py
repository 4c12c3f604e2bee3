"""Derivatives of a traced model for the values of a layer within it, and guided backpropagation.

The program is run once more with one of its values moved by a variable, and differentiated for that. Calls
with a derivative of their own keep it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from explorer.errors import LayerError

from .jaxpr_program import INNER, OWN_DERIVATIVE, Operation, Program, flattened, run_operation, trace

MOVES = frozenset({"transpose", "reshape", "squeeze", "copy", "convert_element_type"})
"""Operations whose answer holds the very values of their operand, elsewhere."""


def inner_derivative(
    forward: Callable[[Any, Any], list[Any]], names: tuple[str, str, str | None], *, guided: bool
) -> Callable[[Any, Any, Any], Any]:
    """The function of (weights, inputs, cotangent) that differentiates within a model.

    Args:
        forward: of (weights, inputs) to the layer's answer and, where it is not the inputs, the one
            that it is differentiated for.
        names: of the model, of the layer, and of the one it is differentiated for (None for the inputs).
        guided: whether ReLUs pass only what is positive.

    Raises:
        LayerError: when it is traced: the layer does not depend on the other, or no ReLU lies between.
    """

    def derived(weights: Any, inputs: Any, cotangent: Any) -> Any:
        import jax
        import jax.numpy as jnp

        program = trace(forward, weights, inputs, whole=OWN_DERIVATIVE)[0]
        arguments = jax.tree.leaves((weights, inputs))
        start, moves = program.arguments[-1], list[Operation]()
        if names[2] is not None:
            start, moves = _source(program, program.results[1], program.results[0])
        between = _between(program, start, names, guided=guided)
        shape = program.shapes[start]

        def answer(delta: Any) -> Any:
            return _moved(program, arguments, (start, delta), between)[program.results[0]]

        values, back = jax.vjp(answer, jnp.zeros(shape.shape, shape.dtype))
        found = back(cotangent.astype(values.dtype))[0]
        for move in moves:
            (found,) = run_operation(move, [found])
        return found

    return derived


def _source(program: Program, shown: int, result: int) -> tuple[int, list[Operation]]:
    """The value on the way to a result that a shown one was made from by moving its axes, and those moves.

    A layer whose channels come first in the model is shown as a copy that nothing in the model reads.
    """
    makers = {number: operation for operation in program.operations for number in operation.outputs}
    number, moves = shown, list[Operation]()
    while result not in program.reached_from({number}):
        maker = makers.get(number)
        if maker is None or maker.primitive not in MOVES:
            return shown, []
        number = maker.inputs[0]
        moves.insert(0, maker)
    return number, moves


def _between(program: Program, start: int, names: tuple[str, str, str | None], *, guided: bool) -> set[int]:
    """What the ReLUs write that are to be guided.

    Raises:
        LayerError: see `inner_derivative`.
    """
    model, layer, at = names
    reached = program.reached_from({start})
    if program.results[0] not in reached:
        raise LayerError(f"{model}: {layer} does not depend on {at or 'the inputs'}; name a layer before it")
    if not guided:
        return set()
    needed = program.needed_for({program.results[0]})
    between = {number for number in _relus(program) if number in reached and number in needed}
    if not between:
        raise LayerError(
            f"{model}: no ReLU lies before {layer}, and guided backpropagation changes ReLUs alone; "
            "use the gradient"
        )
    return between


def _moved(
    program: Program, arguments: Sequence[Any], moved: tuple[int, Any], guided: set[int]
) -> dict[int, Any]:
    """Every value, with one of them moved, and these operations guided."""
    number, delta = moved
    given = [
        value + delta if place == number else value
        for place, value in zip(program.arguments, arguments, strict=True)
    ]

    def step(operation: Operation, operands: list[Any]) -> Sequence[Any]:
        if not guided.isdisjoint(operation.outputs):
            operands = [_positive_back(operand) for operand in operands]
        answers = run_operation(operation, operands)
        return [
            value + delta if place == number else value
            for place, value in zip(operation.outputs, answers, strict=True)
        ]

    return program.run(given, step)


def _relus(program: Program) -> set[int]:
    """What a program's ReLUs write: those of max(x, 0), of jax.nn.relu and of jax.nn.relu6."""
    found = set()
    for operation in program.operations:
        called = program
        parts = [operation]
        if operation.primitive in OWN_DERIVATIVE:
            params = operation.equation.params
            called = flattened(next(params[name] for name in INNER if name in params))
            parts = [part for part in called.operations if part.primitive != "min"]
        if len(parts) == 1 and _is_max_with_zero(called, parts[0]):
            found.add(operation.outputs[0])
    return found


def _is_max_with_zero(program: Program, operation: Operation) -> bool:
    return operation.primitive == "max" and any(_is_zero(program, number) for number in operation.inputs)


def _is_zero(program: Program, number: int) -> bool:
    """Whether a value is the literal zero, also where it was spread over an array."""
    if number in program.constants:
        value = program.constants[number]
        return isinstance(value, int | float | np.generic | np.ndarray) and np.size(value) == 1 and not value
    maker = next((one for one in program.operations if number in one.outputs), None)
    spread = maker is not None and maker.primitive in ("broadcast_in_dim", "convert_element_type")
    return maker is not None and spread and _is_zero(program, maker.inputs[0])


def _positive_back(value: Any) -> Any:
    """The value itself, through which only what is positive passes back."""
    import jax
    import jax.numpy as jnp

    if not jnp.issubdtype(jnp.result_type(value), jnp.floating):
        return value
    same = jax.custom_vjp(lambda given: given)
    same.defvjp(lambda given: (given, None), lambda _, cotangent: (jnp.maximum(cotangent, 0),))
    return same(value)
