"""Which numbers of tokens are grids of patches, as a traced vision transformer itself says.

A reshape that merges two spatial axes says that so many tokens lie on such a grid. A concatenation
along the tokens says how many others, such as a class token, are put before and behind them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .jaxpr_axes import Axes
from .jaxpr_program import Operation, Program


@dataclass(frozen=True)
class Grid:
    """How a sequence of tokens lies in the picture.

    Attributes:
        shape: (height, width) in patches.
        before: number of tokens of no patch in front of the patches.
        behind: number of them after the patches.
    """

    shape: tuple[int, int]
    before: int = 0
    behind: int = 0


def find_grids(program: Program) -> dict[int, Grid]:
    """By number of tokens: their grid.

    Args:
        program: the model's, whose last argument are the inputs (batch first).
    """
    inputs = program.arguments[-1]
    axes = Axes(program, inputs)
    grids: dict[int, Grid] = {}
    for operation in program.operations:
        if axes.dependent.isdisjoint(operation.outputs):
            continue
        if operation.primitive == "reshape":
            for axis, shape in _merged(program, operation):
                number = operation.outputs[0]
                if axis not in (axes.batch(number), axes.channel(number)):
                    grids.setdefault(shape[0] * shape[1], Grid(shape))
        elif operation.primitive == "concatenate":
            _add_joined(program, operation, grids)
    return grids


def _shape(program: Program, number: int) -> tuple[int, ...]:
    return tuple(program.shapes[number].shape)


def _merged(program: Program, operation: Operation) -> Iterator[tuple[int, tuple[int, int]]]:
    """The axes of a reshape's result that two longer axes have become, and how long those were."""
    before, after = _shape(program, operation.inputs[0]), _shape(program, operation.outputs[0])
    start = 0
    for axis, length in enumerate(after):
        taken: list[int] = []
        while start < len(before) and _product(taken) * before[start] <= length:
            taken.append(before[start])
            start += 1
            if _product(taken) == length and (start == len(before) or before[start] != 1):
                break
        if _product(taken) != length:  # an axis is split here; what follows is not of whole axes
            return
        long = [size for size in taken if size > 1]
        if len(long) == 2:
            yield axis, (long[0], long[1])


def _product(sizes: Sequence[int]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product


def _add_joined(program: Program, operation: Operation, grids: dict[int, Grid]) -> None:
    """Note what joining a known grid of tokens with others makes."""
    along = int(operation.equation.params["dimension"])
    counts = [_shape(program, number)[along] for number in operation.inputs]
    known = [place for place, count in enumerate(counts) if count in grids]
    if len(known) != 1:
        return
    grid = grids[counts[known[0]]]
    before, behind = sum(counts[: known[0]]), sum(counts[known[0] + 1 :])
    whole = Grid(grid.shape, before + grid.before, behind + grid.behind)
    grids.setdefault(sum(counts), whole)
