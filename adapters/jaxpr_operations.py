"""Names for the operations of a traced function: by their scope, their primitive and a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .jaxpr_capture import Trace
from .jaxpr_program import Operation
from .jit_layers import Answer

Scope = tuple[str, ...]


@dataclass
class _Run:
    """Operations of one scope that follow one another: one call of what the scope stands for."""

    scope: Scope
    first: int
    last: int


def operation_answers(trace: Trace, sizes: Sequence[int]) -> list[Answer]:
    """Every operation that depends on the inputs, and every scope as what it hands on.

    "block1/conv_general_dilated_0" is the first convolution in the scope "block1", and "block1" the
    last value of that scope that is used after it. A scope entered again later answers a second
    time; entered again at once, with nothing in between, it can't be told from one that goes on.
    Loops and branches are one operation each.

    Args:
        trace: the function as it was traced.
        sizes: number of items of each leaf of the weights.
    """
    operations = [
        operation
        for operation in trace.program.operations
        if not trace.axes.dependent.isdisjoint(operation.outputs)
    ]
    weights = _weights(trace, len(sizes))
    answers: dict[int, list[Answer]] = {}
    seen: Counter[tuple[Scope, str]] = Counter()
    for index, operation in enumerate(operations):
        name = operation.primitive
        number = seen[operation.scope, name]
        seen[operation.scope, name] += 1
        kind = name if operation.is_followed else f"{name} (inside not followed)"
        path = (*operation.scope, f"{name}_{number}")
        count = _count(weights, [operation], sizes)
        answers[index] = [Answer(path, "", kind, count, (_value(trace, operation),))]
    last_read = _last_read(trace, operations)
    for scope, runs in _runs(operations).items():
        inside = [operation for run in runs for operation in operations[run.first : run.last + 1]]
        values = tuple(trace.arranged(_handed_on(last_read, operations, run)) for run in runs)
        found = Answer(scope, "__call__", "scope", _count(weights, inside, sizes), values)
        answers[runs[0].last].append(found)
    return [answer for index in sorted(answers) for answer in answers[index]]


def _value(trace: Trace, operation: Operation) -> object:
    """What an operation answers: one array, or a tuple of them."""
    values = tuple(trace.arranged(number) for number in operation.outputs)
    return values if operation.equation.primitive.multiple_results and len(values) > 1 else values[0]


def _runs(operations: Sequence[Operation]) -> dict[Scope, list[_Run]]:
    """The calls of each scope, inner scopes before the ones around them."""
    runs: dict[Scope, list[_Run]] = {}
    for index, operation in enumerate(operations):
        for depth in range(len(operation.scope), 0, -1):
            scope = operation.scope[:depth]
            known = runs.setdefault(scope, [])
            if known and known[-1].last == index - 1:
                known[-1].last = index
            else:
                known.append(_Run(scope, index, index))
    return dict(sorted(runs.items(), key=lambda entry: -len(entry[0])))


def _last_read(trace: Trace, operations: Sequence[Operation]) -> dict[int, int]:
    """By value: which operation reads it last; one beyond all for what the function returns."""
    found = {number: index for index, operation in enumerate(operations) for number in operation.inputs}
    return found | dict.fromkeys(trace.program.results, len(operations))


def _handed_on(last_read: dict[int, int], operations: Sequence[Operation], run: _Run) -> int:
    """The last value of a scope that something after it reads, else its very last."""
    made = [number for operation in operations[run.first : run.last + 1] for number in operation.outputs]
    return next((number for number in reversed(made) if last_read.get(number, -1) > run.last), made[-1])


def _weights(trace: Trace, leaves: int) -> dict[int, frozenset[int]]:
    """By value: which leaves of the weights it was made from, of values that need no inputs."""
    found = {number: frozenset({leaf}) for leaf, number in enumerate(trace.program.arguments[:leaves])}
    for operation in trace.program.operations:
        if trace.axes.dependent.isdisjoint(operation.outputs):
            used = frozenset().union(*(found.get(number, frozenset()) for number in operation.inputs))
            found.update(dict.fromkeys(operation.outputs, used))
    return found


def _count(weights: dict[int, frozenset[int]], operations: Sequence[Operation], sizes: Sequence[int]) -> int:
    """Number of weights that some operations read."""
    leaves: set[int] = set()
    for operation in operations:
        leaves.update(*(weights.get(number, ()) for number in operation.inputs))
    return sum(sizes[leaf] for leaf in leaves)
