"""Which axis of a traced value is its batch and which its channels, followed through the program.

A convolution says which axis of its input and output are features; a product with weights says it
too, of what it sums over and of what it makes. From there the axis is followed forwards and
backwards through everything that keeps it: arithmetic, reductions, transposes, reshapes, padding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .jaxpr_program import Operation, Program

Place = tuple[int, int]
"""A value's number, and one of its axes."""

SAME_RANK = frozenset(
    {
        *(
            "concatenate",
            "pad",
            "slice",
            "dynamic_slice",
            "dynamic_update_slice",
            "rev",
            "select_and_gather_add",
        ),
        *("reduce_window", "reduce_window_sum", "reduce_window_max", "reduce_window_min"),
        *("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"),
    }
)
"""Primitives that change lengths but neither number nor order of the axes."""
MOVING = frozenset(
    {"dot_general", "conv_general_dilated", "transpose", "reshape", "gather", "broadcast_in_dim"}
)
"""Primitives whose axes may move although the shape stays the same."""


class Axes:
    """The axes of the values that depend on the inputs, as far as they can be followed."""

    def __init__(self, program: Program, inputs: int) -> None:
        """Follow the axes of everything that depends on the value `inputs` (batch first)."""
        self._program = program
        self._inputs = inputs
        self._parents: dict[Place, Place] = {}
        self.dependent = program.reached_from({inputs})
        channels: list[Place] = []
        for operation in program.operations:
            for one, other in self._kept(operation):
                self._parents[self._root(one)] = self._root(other)
            channels += self._declared(operation)
        self._channels = {self._root(place) for place in channels}

    def batch(self, number: int) -> int:
        """The axis along which a value follows the batch; the first when that is not known."""
        start = self._root((self._inputs, 0))
        return next((axis for axis in range(self._rank(number)) if self._root((number, axis)) == start), 0)

    def channel(self, number: int, *, after: int = 0, default: int = -1) -> int:
        """The axis of a value's channels: as declared somewhere along the way, else `default`.

        Args:
            number: the value.
            after: the first axis that can be it, the batch set apart.
            default: what to answer when nothing is known; negative counts from the end.
        """
        rank, batch = self._rank(number), self.batch(number)
        can = [axis for axis in range(after, rank) if axis != batch]
        told = [axis for axis in can if self._root((number, axis)) in self._channels]
        if rank - 1 in told:
            return rank - 1
        return told[0] if told else default % rank

    def is_told(self, number: int) -> bool:
        """Whether anything in the program says which axis of a value is its channels."""
        return any(self._root((number, axis)) in self._channels for axis in range(self._rank(number)))

    def _rank(self, number: int) -> int:
        return len(self._shape(number))

    def _shape(self, number: int) -> tuple[int, ...]:
        return tuple(getattr(self._program.shapes[number], "shape", ()))

    def _root(self, place: Place) -> Place:
        while (parent := self._parents.get(place, place)) != place:
            self._parents[place] = self._parents.get(parent, parent)
            place = parent
        return place

    def _declared(self, operation: Operation) -> Iterator[Place]:
        """The axes that an operation says are channels."""
        if operation.primitive == "conv_general_dilated":
            numbers = operation.equation.params["dimension_numbers"]
            yield operation.inputs[0], numbers.lhs_spec[1]
            yield operation.outputs[0], numbers.out_spec[1]
        elif operation.primitive == "dot_general":
            yield from self._declared_by_product(operation)

    def _declared_by_product(self, operation: Operation) -> Iterator[Place]:
        """Of a product with weights: what is summed over, and what the weights put in its place."""
        varying = [number in self.dependent for number in operation.inputs]
        if varying.count(True) != 1:
            return
        side = varying.index(True)
        contracted, batched = operation.equation.params["dimension_numbers"]
        if len(contracted[side]) == 1:
            yield operation.inputs[side], contracted[side][0]
        made = _product_axes(self._ranks(operation), contracted, batched)
        fresh = [axis for axis, sources in enumerate(made) if sources[side] is None]
        if len(fresh) == 1:
            yield operation.outputs[0], fresh[0]

    def _ranks(self, operation: Operation) -> tuple[int, int]:
        first, second = operation.inputs[:2]
        return self._rank(first), self._rank(second)

    def _kept(self, operation: Operation) -> Iterator[tuple[Place, Place]]:
        """Pairs of an operand's axis and the result's axis that it becomes."""
        for side, number in enumerate(operation.inputs):
            if number not in self.dependent:
                continue
            for output in operation.outputs:
                for before, after in self._axes(operation, side, output):
                    yield (number, before), (output, after)

    def _axes(self, operation: Operation, side: int, output: int) -> Iterator[tuple[int, int]]:
        """Which axis of one operand becomes which axis of one result."""
        primitive, params = operation.primitive, operation.equation.params
        before, after = self._shape(operation.inputs[side]), self._shape(output)
        pairs: Iterator[tuple[int, int]] = iter(())
        if primitive == "conv_general_dilated" and side == 0:
            numbers = params["dimension_numbers"]
            pairs = iter([(numbers.lhs_spec[0], numbers.out_spec[0])])
        elif primitive == "dot_general":
            made = _product_axes(self._ranks(operation), *params["dimension_numbers"])
            pairs = ((own, axis) for axis, sources in enumerate(made) if (own := sources[side]) is not None)
        elif primitive == "transpose":
            pairs = ((old, new) for new, old in enumerate(params["permutation"]))
        elif primitive == "broadcast_in_dim":
            pairs = enumerate(params["broadcast_dimensions"])
        elif primitive == "reshape":
            pairs = _reshaped(before, after)
        elif primitive == "squeeze":
            pairs = _without(len(before), params["dimensions"])
        elif "axes" in params and len(after) == len(before) - len(params["axes"]):
            pairs = _without(len(before), params["axes"])
        elif len(before) == len(after) and (
            primitive in SAME_RANK or (before == after and primitive not in MOVING)
        ):
            pairs = ((axis, axis) for axis in range(len(before)))
        is_resized = primitive in SAME_RANK
        return ((old, new) for old, new in pairs if is_resized or before[old] == after[new])


def _product_axes(
    ranks: tuple[int, int], contracted: Any, batched: Any
) -> list[tuple[int | None, int | None]]:
    """Of each axis of a dot_general's result: the left and the right operand's axis it comes from."""
    made: list[tuple[int | None, int | None]] = list(zip(*batched, strict=True))
    for side in (0, 1):
        used = {*contracted[side], *batched[side]}
        free = [axis for axis in range(ranks[side]) if axis not in used]
        made += [(axis, None) if side == 0 else (None, axis) for axis in free]
    return made


def _reshaped(before: tuple[int, ...], after: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """The axes that a reshape leaves whole: as long as before, and with as much before them."""
    starts: dict[tuple[int, int], list[int]] = {}
    step = 1
    for axis, length in enumerate(before):
        starts.setdefault((step, length), []).append(axis)
        step *= length
    step = 1
    for axis, length in enumerate(after):
        if old := starts.get((step, length)):
            yield old.pop(0), axis  # of several axes of length 1, each in its turn
        step *= length


def _without(rank: int, dropped: Any) -> Iterator[tuple[int, int]]:
    """The axes that stay when some are dropped."""
    gone = {axis % rank for axis in dropped}
    return ((old, new) for new, old in enumerate(axis for axis in range(rank) if axis not in gone))
