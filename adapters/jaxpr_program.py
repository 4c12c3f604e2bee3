"""A traced JAX function as one flat list of operations, with everything it calls written out.

jax.make_jaxpr nests: a jitted, rematerialised or custom-derivative function is one equation that
holds a jaxpr of its own. Here those are entered, each call with values of its own, so that any
value can be asked for by its number. Loops and branches (scan, while, cond) stay one operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

ENTERED = frozenset(
    {
        *("jit", "pjit", "closed_call", "core_call", "core_closed_call"),
        *("remat", "remat2", "checkpoint"),
        *("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"),
    }
)
"""Primitives that run their jaxpr once, on the very operands they are given."""
OWN_DERIVATIVE = frozenset({"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"})
"""Those of them whose derivative is not that of their jaxpr."""
INNER = ("jaxpr", "call_jaxpr", "fun_jaxpr")
"""Under which of these names such a primitive keeps it."""


@dataclass(frozen=True)
class Operation:
    """One equation, with the values it reads and writes by number.

    Attributes:
        equation: JAX's own.
        scope: names of `jax.named_scope` and of called functions around it, outermost first.
        inputs: numbers of the values read.
        outputs: numbers of the values written.
        is_followed: False where it holds a function that was not entered.
    """

    equation: Any
    scope: tuple[str, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    is_followed: bool = True

    @property
    def primitive(self) -> str:
        """The primitive's name, such as "conv_general_dilated"."""
        return str(self.equation.primitive.name)


@dataclass
class Program:
    """What a function does: values are numbered, operations are in the order they run.

    Attributes:
        operations: every equation outside loops and branches.
        arguments: numbers of the flattened arguments.
        results: numbers of the flattened results.
        shapes: by number: what is known of a value before it is computed (`shape`, `dtype`).
        constants: by number: literals and closed-over arrays.
    """

    operations: list[Operation] = field(default_factory=list)
    arguments: list[int] = field(default_factory=list)
    results: list[int] = field(default_factory=list)
    shapes: list[Any] = field(default_factory=list)
    constants: dict[int, Any] = field(default_factory=dict)

    def run(
        self, arguments: Sequence[Any], step: Callable[[Operation, list[Any]], Sequence[Any]] | None = None
    ) -> dict[int, Any]:
        """Every value by number. Under jit, XLA drops what is then not used.

        Args:
            arguments: the flattened arguments.
            step: what runs an operation on its operands, where it is not to be run as it is.
        """
        step = step or run_operation
        values = dict(self.constants) | dict(zip(self.arguments, arguments, strict=True))
        for operation in self.operations:
            answers = step(operation, [values[number] for number in operation.inputs])
            values.update(zip(operation.outputs, answers, strict=True))
        return values

    def reached_from(self, starts: set[int]) -> set[int]:
        """The values that depend on any of these, and these themselves."""
        reached = set(starts)
        for operation in self.operations:
            if not reached.isdisjoint(operation.inputs):
                reached.update(operation.outputs)
        return reached

    def needed_for(self, results: set[int]) -> set[int]:
        """The values that any of these are computed from, and these themselves."""
        needed = set(results)
        for operation in reversed(self.operations):
            if not needed.isdisjoint(operation.outputs):
                needed.update(operation.inputs)
        return needed


def trace(
    function: Callable[..., Any], *arguments: Any, whole: frozenset[str] = frozenset()
) -> tuple[Program, Any]:
    """The program of `function` on arguments like these, and the tree of its results as shapes.

    Calls of the primitives `whole` are not entered.
    """
    import jax

    closed, results = jax.make_jaxpr(function, return_shape=True)(*arguments)
    return flattened(closed, whole), results


def flattened(closed: Any, whole: frozenset[str] = frozenset()) -> Program:
    """The program of a jaxpr."""
    writer = _Writer(ENTERED - whole)
    program = writer.program
    program.arguments = [writer.new(variable.aval) for variable in closed.jaxpr.invars]
    program.results = writer.write_out(closed, program.arguments, (), is_top=True)
    return program


class _Writer:
    """Writes the equations of nested jaxprs into one program."""

    def __init__(self, entered: frozenset[str]) -> None:
        self.program = Program()
        self._entered = entered

    def new(self, shape: Any) -> int:
        """Number a value."""
        self.program.shapes.append(shape)
        return len(self.program.shapes) - 1

    def write_out(
        self, closed: Any, arguments: Sequence[int], scope: tuple[str, ...], *, is_top: bool = False
    ) -> list[int]:
        """Append the equations of a jaxpr, called on these values; the numbers of its results."""
        jaxpr, constants = getattr(closed, "jaxpr", closed), getattr(closed, "consts", ())
        numbers = dict(zip(jaxpr.invars, arguments, strict=True))
        for variable, constant in zip(jaxpr.constvars, constants, strict=True):
            numbers[variable] = self._constant(variable.aval, constant)

        def read(atom: Any) -> int:
            return self._constant(atom.aval, atom.val) if hasattr(atom, "val") else numbers[atom]

        for equation in jaxpr.eqns:
            inputs = [read(atom) for atom in equation.invars]
            around = (*scope, *_scopes(equation))
            inner = next((equation.params[name] for name in INNER if name in equation.params), None)
            if inner is not None and equation.primitive.name in self._entered:
                # the jit of the whole function is no place within it
                is_whole = is_top and len(jaxpr.eqns) == 1
                called = () if is_whole else _function_name(equation)
                outputs = self.write_out(inner, inputs, (*around, *called), is_top=is_whole)
            else:
                outputs = self._write(equation, inputs, around)
            numbers.update(zip(equation.outvars, outputs, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def _write(self, equation: Any, inputs: Sequence[int], scope: tuple[str, ...]) -> list[int]:
        outputs = [self.new(variable.aval) for variable in equation.outvars]
        followed = not any(_has_arrays(jaxpr) for jaxpr in inner_jaxprs(equation))
        self.program.operations.append(Operation(equation, scope, tuple(inputs), tuple(outputs), followed))
        return outputs

    def _constant(self, shape: Any, value: Any) -> int:
        number = self.new(shape)
        self.program.constants[number] = value
        return number


def _scopes(equation: Any) -> tuple[str, ...]:
    """The names of `jax.named_scope` around an equation; transformations such as vmap are no places."""
    stack = equation.source_info.name_stack.stack
    names = [entry.name for entry in stack if type(entry).__name__ == "Scope"]
    return tuple(part for name in names for part in str(name).split("/") if part)


def _function_name(equation: Any) -> tuple[str, ...]:
    """The name of a called function, where it has one that was meant to be seen."""
    name = str(equation.params.get("name", ""))
    is_custom = equation.primitive.name.startswith("custom_")  # the jit inside it says the name again
    return (name,) if name.isidentifier() and not name.startswith("_") and not is_custom else ()


def inner_jaxprs(equation: Any) -> Iterator[Any]:
    """The jaxprs that an equation holds."""
    for value in equation.params.values():
        for entry in value if isinstance(value, tuple | list) else (value,):
            if hasattr(entry, "eqns") or hasattr(entry, "jaxpr"):
                yield entry


def _has_arrays(closed: Any) -> bool:
    """Whether a jaxpr makes arrays; that of a reduction or a scatter handles single numbers."""
    equations = getattr(closed, "jaxpr", closed).eqns
    return any(getattr(variable.aval, "shape", ()) for equation in equations for variable in equation.outvars)


def run_operation(operation: Operation, operands: list[Any]) -> Sequence[Any]:
    """Run one equation on values of its operands."""
    equation = operation.equation
    primitive = equation.primitive
    bound = primitive.get_bind_params(equation.params)
    functions, params = bound if isinstance(bound, tuple) else ((), bound)  # a pair before JAX 0.9
    with equation.ctx.manager:
        answer = primitive.bind(*functions, *operands, **params)
    return answer if primitive.multiple_results else [answer]
