"""Trace a JAX function on inputs in the layout it wants, and hand its values out channels last."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from explorer.errors import ModelError, suggest

from .jaxpr_axes import Axes
from .jaxpr_program import Program, trace
from .jaxpr_tags import inner_tags, tags
from .jit_layers import Answer

LAST, FIRST = "channels_last", "channels_first"


@dataclass(frozen=True)
class Trace:
    """A function as it was traced on some inputs.

    Attributes:
        program: what it does.
        axes: where its values have their batch and their channels.
        results: the tree of its results, as numbers of values.
        values: every value by number.
        in_front: values of so many axes or more, the batch set apart, have the channels in front
            where nothing tells where they are; the others have them last.
    """

    program: Program
    axes: Axes
    results: Any
    values: Mapping[int, Any]
    in_front: float

    def arranged(self, number: int, mapped: int = 0) -> Any:
        """A value as (batch, *spatial, channels).

        Args:
            number: which value.
            mapped: how many axes vmap has put in front of it; none of them is channels.
        """
        import jax.numpy as jnp

        value = self.values[number]
        if value.ndim < 2:
            return value
        after = min(max(mapped, 1), value.ndim - 1)
        default = after if value.ndim - after >= self.in_front else -1
        batch = self.axes.batch(number)
        channel = self.axes.channel(number, after=after if mapped else 0, default=default)
        between = [axis for axis in range(value.ndim) if axis not in (batch, channel)]
        return jnp.transpose(value, (batch, *between, channel)) if batch != channel else value

    def tagged(self, parameters: Callable[[tuple[str, ...]], int]) -> list[Answer]:
        """What the marked modules answered, in their order; `parameters` counts those below a path."""
        import jax

        calls: dict[Any, list[Any]] = {}
        for found in tags(self.program):
            arranged = [
                self.arranged(number, mapped)
                for number, mapped in zip(found.numbers, found.mapped, strict=True)
            ]
            calls.setdefault(found.tag, []).append(jax.tree.unflatten(found.tree, arranged))
        return [
            Answer(tag.path, tag.method, tag.kind, parameters(tag.path) if tag.method else 0, tuple(values))
            for tag, values in calls.items()
        ]


class Tracer:
    """A function (weights, inputs) and the layout of the inputs it takes.

    Images come as (batch, *spatial, channels). The function is traced on them as they are and with
    the channels in front, in the order given; the first that it takes, and in which the program
    itself sees channels where they are, is used.

    Attributes:
        notes: lines that say what the program traced last holds that was not followed.
    """

    def __init__(
        self, function: Callable[[Any, Any], Any], *, layout: str | None, order: Sequence[str] = (LAST, FIRST)
    ) -> None:
        if layout not in (None, LAST, FIRST):
            raise ModelError(f"layout = {layout!r}: {suggest(str(layout), (LAST, FIRST))}")
        self._function = function
        self._order = order if layout is None else (layout,)
        # of (a, b) that nothing tells the channels of, b is likelier: tokens, members of a set
        fewest = 3 if layout is None else 2
        self._in_front = fewest if self._order[0] == FIRST else math.inf
        self._layouts: dict[tuple[int, ...], str] = {}
        self.notes: tuple[str, ...] = ()

    def layout(self, weights: Any, inputs: Any) -> str:
        """Whether it takes "channels_last" or "channels_first" for inputs like these."""
        shape = tuple(inputs.shape[1:])
        if shape not in self._layouts:
            self._layouts[shape] = self._find(weights, inputs) if len(shape) > 1 else LAST
        return self._layouts[shape]

    def trace(self, weights: Any, inputs: Any) -> Trace:
        """The function on inputs (batch, *spatial, channels), itself traced or not."""
        import jax

        given = _arrange(inputs, self.layout(weights, inputs))
        program, shapes = trace(self._function, weights, given)
        results = jax.tree.unflatten(jax.tree.structure(shapes), program.results)
        values = program.run([*jax.tree.leaves(weights), given])
        self.notes = _notes(program, self.layout(weights, inputs))
        return Trace(program, Axes(program, program.arguments[-1]), results, values, self._in_front)

    def _find(self, weights: Any, inputs: Any) -> str:
        taken, first_error = [], None
        for layout in self._order:
            try:
                program, _ = trace(self._function, weights, _arrange(inputs, layout))
            except Exception as error:  # the function's own words for a shape it does not take
                first_error = first_error or error
                continue
            number = program.arguments[-1]
            axes = Axes(program, number)
            seen = axes.channel(number, after=1)
            if not axes.is_told(number) or seen == (1 if layout == FIRST else len(inputs.shape) - 1):
                return layout
            taken.append(layout)
        if not taken:
            assert first_error is not None
            raise first_error
        return taken[0]


def _arrange(inputs: Any, layout: str) -> Any:
    """The inputs as the function takes them."""
    import jax.numpy as jnp

    return jnp.moveaxis(inputs, -1, 1) if layout == FIRST and inputs.ndim > 2 else jnp.asarray(inputs)


def _notes(program: Program, layout: str) -> tuple[str, ...]:
    """What a user should know of a program beside its layers."""
    notes = []
    if layout == FIRST:
        notes.append("takes its inputs with the channels in front; all values are shown channels last")
    closed = [operation for operation in program.operations if not operation.is_followed]
    if closed:
        counts = Counter(operation.primitive for operation in closed)
        notes.append("inside not followed: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    hidden = sorted({"/".join(tag.path) for operation in closed for tag in inner_tags(operation)})
    if hidden:
        more = f" and {len(hidden) - 4} more" if len(hidden) > 4 else ""
        notes.append(f"layers in there, not listed: {', '.join(hidden[:4])}{more}")
    return tuple(notes)
