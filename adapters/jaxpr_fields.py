"""Receptive fields of a traced JAX function's values, followed through its operations.

What each primitive does to the axes of its operands is stated here; of one that is not, nothing is
assumed. Loops and branches are not entered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from explorer.capture.receptive_field import Reach, ReceptiveField

from .fields import (
    Field,
    Sizes,
    as_receptive_field,
    chosen,
    lost,
    mixed,
    moved,
    of_input,
    reached,
    reshaped,
    union,
)
from .jaxpr_program import Operation, Program
from .jaxpr_tags import NAME as TAG

_ELEMENTWISE = """
    abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e cbrt ceil clamp
    convert_element_type copy cos cosh digamma div eq erf erf_inv erfc exp exp2 expm1 floor ge gt
    igamma igammac imag integer_pow is_finite le lgamma log log1p logistic lt max min mul ne neg nextafter
    not or population_count pow real reduce_precision rem round rsqrt select_n
    shift_left shift_right_arithmetic shift_right_logical sign sin sinh sqrt square stop_gradient sub
    tan tanh xor sharding_constraint
"""
ELEMENTWISE = frozenset(_ELEMENTWISE.split())
"""Primitives whose answer at an index is made of the operands at that very index."""
REDUCTIONS = frozenset(
    {"reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or", "reduce_xor"}
) | {"argmax", "argmin"}
PASSED_ON = frozenset({"optimization_barrier", "device_put", TAG})
"""Primitives whose answers are their operands, one by one."""
ALONG_ONE = frozenset({"cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"})
WINDOWS = frozenset({"reduce_window", "reduce_window_sum", "reduce_window_max", "reduce_window_min"})


def receptive_fields(program: Program) -> list[ReceptiveField]:
    """What each result (batch, *spatial, channels) of a program sees, in their order."""
    found = fields_of(program)
    pixels = tuple(program.shapes[program.arguments[-1]].shape[1:-1])
    shapes = [tuple(program.shapes[number].shape) for number in program.results]
    return [
        as_receptive_field(found.get(number), range(1, len(shape) - 1), Sizes(pixels, shape))
        for number, shape in zip(program.results, shapes, strict=True)
    ]


def fields_of(program: Program) -> dict[int, Field]:
    """The field of each value that depends on the inputs, by its number.

    Args:
        program: the model's, whose last argument are the inputs (batch, *spatial, channels).
    """
    return Follower(program).found


class Follower:
    """Goes through a program once.

    Attributes:
        found: by number: the field of a value.
    """

    def __init__(self, program: Program) -> None:
        inputs = program.arguments[-1]
        rank = len(program.shapes[inputs].shape)
        self._program = program
        self._pixels = tuple(program.shapes[inputs].shape[1:-1])
        # neither inputs nor weights: what is not in here is a fixed number
        self._given = program.reached_from(set(program.arguments))
        self.found: dict[int, Field] = {inputs: of_input(rank, range(1, rank - 1))}
        for operation in program.operations:
            if operation.primitive in PASSED_ON:
                pairs = zip(operation.inputs, operation.outputs, strict=True)
                self.found |= {after: self.found[before] for before, after in pairs if before in self.found}
            elif any(number in self.found for number in operation.inputs):
                self.found |= dict.fromkeys(operation.outputs, self._behind(operation))

    def _shape(self, number: int) -> tuple[int, ...]:
        return tuple(self._program.shapes[number].shape)

    def _sizes(self, number: int) -> Sizes:
        return Sizes(self._pixels, self._shape(number))

    def _behind(self, operation: Operation) -> Field:
        """The field of what an operation answers."""
        name = operation.primitive
        if name in ELEMENTWISE:
            return self._union(operation)
        if name == "concatenate":
            along = (operation.equation.params["dimension"],)
            return self._union(operation, mixing=along)
        first = operation.inputs[0]
        if name == "dot_general":
            return self._product(operation)
        others = operation.inputs[1:]
        if first in self.found and not any(number in self.found for number in others):
            field = self._of_one(operation)
            if field is not None:
                return field
        return self._lost(operation)

    def _lost(self, operation: Operation) -> Field:
        what = operation.primitive.replace("_", " ")
        why = what if operation.is_followed else f"inside a {what}"
        parts = [self.found[number] for number in operation.inputs if number in self.found]
        return lost(union(parts, self._pixels), self._pixels, why)

    def _union(self, operation: Operation, mixing: Sequence[int] = ()) -> Field:
        parts = [
            mixed(self.found[number], mixing, sizes=self._sizes(number), why="concatenated positions")
            for number in operation.inputs
            if number in self.found
        ]
        return union(parts, self._pixels)

    def _of_one(self, operation: Operation) -> Field | None:
        """Behind an operation whose first operand alone depends on the inputs; None if it is not known."""
        name, params = operation.primitive, operation.equation.params
        field, sizes = self.found[operation.inputs[0]], self._sizes(operation.inputs[0])
        rank = len(sizes.shape)
        if name in REDUCTIONS:
            kept = [axis for axis in range(rank) if axis not in params["axes"]]
            return moved(field, {old: new for new, old in enumerate(kept)}, sizes)
        if name == "transpose":
            return moved(field, {old: new for new, old in enumerate(params["permutation"])}, sizes)
        if name == "broadcast_in_dim":
            after = self._shape(operation.outputs[0])
            placed = enumerate(params["broadcast_dimensions"])
            return moved(field, {old: new for old, new in placed if after[new] == sizes.shape[old]}, sizes)
        if name in ("squeeze", "reshape"):
            return reshaped(field, self._shape(operation.outputs[0]), sizes)
        if name in ALONG_ONE:
            return mixed(field, (params["axis"],), sizes=sizes, why=name)
        if name == "rev":
            return mixed(field, params["dimensions"], sizes=sizes, why="reversed positions")
        if name == "sort":
            return mixed(field, (params["dimension"],), sizes=sizes, why=name)
        if name in ("dynamic_slice", "split"):
            return self._cut(operation)
        if name == "conv_general_dilated":
            return self._convolved(operation)
        changes = _changes(name, params, rank)
        return None if changes is None else reached(field, changes, self._pixels)

    def _convolved(self, operation: Operation) -> Field:
        """Behind a convolution, whose numbers say which axes are slid along, and where they go."""
        number, params = operation.inputs[0], operation.equation.params
        kernel, numbers = self._shape(operation.inputs[1]), params["dimension_numbers"]
        before, after = numbers.lhs_spec, numbers.out_spec
        changes = {
            axis: _window(
                params["window_strides"][place],
                _taps(
                    kernel[numbers.rhs_spec[2 + place]],
                    params["rhs_dilation"][place],
                    params["padding"][place][0],
                ),
                params["lhs_dilation"][place],
            )
            for place, axis in enumerate(before[2:])
        }
        axes = dict(zip(before, after, strict=True))
        if params["feature_group_count"] == 1 == params["batch_group_count"]:
            del axes[before[1]]  # every feature is made of all of them
        return moved(reached(self.found[number], changes, self._pixels), axes, self._sizes(number))

    def _cut(self, operation: Operation) -> Field:
        """Behind a slice of indices that are not known before: axes taken whole are kept."""
        number = operation.inputs[0]
        shape = self._shape(number)
        cut = {
            axis
            for output in operation.outputs
            for axis, size in enumerate(self._shape(output))
            if size != shape[axis]
        }
        why = operation.primitive.replace("_", " ")
        return chosen(self.found[number], cut, sizes=self._sizes(number), why=why)

    def _product(self, operation: Operation) -> Field:
        """Behind dot_general: what is summed over is seen whole, unless fixed numbers choose from it."""
        contracted, batched = operation.equation.params["dimension_numbers"]
        parts = []
        n_batched = len(batched[0])
        n_left = len(self._shape(operation.inputs[0])) - len(contracted[0]) - n_batched
        for side, number in enumerate(operation.inputs):
            if number not in self.found:
                continue
            shape = self._shape(number)
            used = {*contracted[side], *batched[side]}
            free = [axis for axis in range(len(shape)) if axis not in used]
            start = n_batched + (n_left if side else 0)
            axes = {axis: place for place, axis in enumerate(batched[side])}
            axes |= {axis: start + place for place, axis in enumerate(free)}
            field = self.found[number]
            if operation.inputs[1 - side] not in self._given:
                # a matrix of fixed numbers, as resizing and blurring make: most of it is zero
                why = "a product with a fixed matrix"
                field = chosen(field, contracted[side], sizes=self._sizes(number), why=why)
            parts.append(moved(field, axes, self._sizes(number)))
        return union(parts, self._pixels)


Changes = Mapping[int, Callable[[Reach], Reach]]


def _changes(name: str, params: Mapping[str, Any], rank: int) -> Changes | None:
    """What an operator over windows of indices reads along each axis; None if it is no such operator."""
    if name == "pad":
        return {
            axis: _window(1, (-low,), inner + 1)
            for axis, (low, _, inner) in enumerate(params["padding_config"])
        }
    if name == "slice":
        strides = params["strides"] or (1,) * rank
        return {
            axis: _window(stride, (start,), 1)
            for axis, (start, stride) in enumerate(zip(params["start_indices"], strides, strict=True))
        }
    if name in WINDOWS:
        return {
            axis: _window(
                params["window_strides"][axis],
                _taps(size, params["window_dilation"][axis], params["padding"][axis][0]),
                params["base_dilation"][axis],
            )
            for axis, size in enumerate(params["window_dimensions"])
        }
    return None


def _taps(size: int, dilation: int, padding: int) -> range:
    return range(-padding, -padding + size * dilation, dilation)


def _window(stride: int, taps: Sequence[int], spread: int) -> Callable[[Reach], Reach]:
    return lambda reach: reach.window(stride, taps, spread)
