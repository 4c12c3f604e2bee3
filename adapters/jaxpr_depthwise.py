"""Depthwise convolutions as sums of shifted products, for derivatives on a processor.

XLA has no quick path for them there: of 3 × 3 weights, forward and backward take 40 to 200 times as long as
the nine products that they are. The sums are the same but for the order of their terms, so captured values,
which are the model's own to the bit, are never computed so.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

from .jaxpr_program import OWN_DERIVATIVE, Operation, run_operation, trace

Forward = Callable[[Any, Any], list[Any]]
MOST_TAPS = 169
"""Weights of a channel that are written out as so many products; of more, the program would be long."""


def without_depthwise(forward: Forward) -> Forward:
    """A function of (weights, inputs) with the same answers, quick to differentiate on a processor."""
    import jax

    if jax.default_backend() != "cpu":
        return forward

    def quick(weights: Any, inputs: Any) -> list[Any]:
        program = trace(forward, weights, inputs, whole=OWN_DERIVATIVE)[0]
        if not any(map(_is_depthwise, program.operations)):
            return forward(weights, inputs)
        values = program.run(jax.tree.leaves((weights, inputs)), _step)
        return [values[number] for number in program.results]

    return quick


def _step(operation: Operation, operands: list[Any]) -> Sequence[Any]:
    if _is_depthwise(operation):
        values, weights = operands
        return [shifted_products(values, weights, operation.equation.params)]
    return run_operation(operation, operands)


def _is_depthwise(operation: Operation) -> bool:
    """Whether it is a convolution in which every channel is weighed by itself, of float32."""
    if operation.primitive != "conv_general_dilated":
        return False
    params = operation.equation.params
    values, weights = (variable.aval for variable in operation.equation.invars)
    numbers = params["dimension_numbers"]
    taps = math.prod(weights.shape[axis] for axis in numbers.rhs_spec[2:])
    return bool(
        params["feature_group_count"] == values.shape[numbers.lhs_spec[1]] > 1
        and params["batch_group_count"] == 1
        and set(params["lhs_dilation"]) <= {1}
        and taps <= MOST_TAPS
        and {str(values.dtype), str(weights.dtype), str(params["preferred_element_type"] or "float32")}
        == {"float32"}
    )


def shifted_products(values: Any, weights: Any, params: dict[str, Any]) -> Any:
    """A depthwise convolution (`jax.lax.conv_general_dilated`), one product for each weight of a channel.

    Args:
        values: its first operand.
        weights: its second operand.
        params: its parameters.
    """
    import jax.numpy as jnp
    from jax import lax

    numbers = params["dimension_numbers"]
    x = jnp.transpose(values, (numbers.lhs_spec[0], *numbers.lhs_spec[2:], numbers.lhs_spec[1]))
    w = jnp.transpose(weights, (*numbers.rhs_spec[2:], numbers.rhs_spec[1], numbers.rhs_spec[0]))
    *taps, _, features = w.shape
    x = jnp.repeat(x, features // x.shape[-1], axis=-1)
    x = lax.pad(
        x, jnp.zeros((), x.dtype), [(0, 0, 0), *((*ends, 0) for ends in params["padding"]), (0, 0, 0)]
    )
    steps, apart = params["window_strides"], params["rhs_dilation"]
    sizes = [
        (whole - (many - 1) * by - 1) // step + 1
        for whole, many, by, step in zip(x.shape[1:-1], taps, apart, steps, strict=True)
    ]
    total: Any = None
    for place in itertools.product(*map(range, taps)):
        first = [at * by for at, by in zip(place, apart, strict=True)]
        last = [start + (size - 1) * step + 1 for start, size, step in zip(first, sizes, steps, strict=True)]
        window = lax.slice(x, (0, *first, 0), (x.shape[0], *last, features), (1, *steps, 1))
        product = window * w[(*place, 0)]
        total = product if total is None else total + product
    back = [0] * total.ndim  # from (batch, *spatial, features) to the order that is asked for
    for axis, at in enumerate((numbers.out_spec[0], *numbers.out_spec[2:], numbers.out_spec[1])):
        back[at] = axis
    return jnp.transpose(total, back)
