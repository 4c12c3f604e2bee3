"""What of a layer's grid is drawn as one picture, and which position a cell of it is."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from explorer.render.linked.state import State


def plane(state: State, grid: NDArray[Any]) -> NDArray[Any] | None:
    """What of (*spatial, …) can be drawn, as (rows, columns, …); None when there are no positions.

    A signal is one row; a volume gives one slice.
    """
    rank = len(state.values.spatial)
    if rank == 0:
        return None
    if rank == 1:
        return grid[None]
    return grid[state.cut] if rank == 3 else grid


def cells(state: State) -> tuple[int, int] | None:
    """Rows and columns of the plane that is drawn."""
    spatial = state.values.spatial
    if not spatial:
        return None
    return (1, spatial[0]) if len(spatial) == 1 else (spatial[-2], spatial[-1])


def position_at(state: State, row: int, column: int) -> tuple[int, ...]:
    """The grid position drawn at a row and column of the plane."""
    rank = len(state.values.spatial)
    return {1: (column,), 2: (row, column), 3: (state.cut, row, column)}[rank]


def cell_of(state: State) -> tuple[int, int] | None:
    """Row and column of the position looked at, when its image and its slice are shown."""
    at = state.focus
    return None if at is None else cell_at(state, (at.image, *at.position))


def cell_at(state: State, at: tuple[int, ...]) -> tuple[int, int] | None:
    """Row and column of (image, *position) on the plane that is drawn; None where it is not on it."""
    image, *position = at
    if image != state.image or not position or len(position) != len(state.values.spatial):
        return None
    if len(position) == 3 and position[0] != state.cut:
        return None
    return (position[-2] if len(position) > 1 else 0), position[-1]


def field_box(state: State) -> tuple[tuple[int, int], ...] | None:
    """What of its input the position looked at depends on: (first, behind last) pixel of each axis.

    None where nothing is looked at, or where the run does not know.
    """
    ask = getattr(state.run, "receptive_box", None)
    if state.focus is None or ask is None:
        return None
    found: tuple[tuple[int, int], ...] | None = ask(state.values.layer, state.focus.position)
    return found


def field_part(state: State) -> tuple[float, float, float, float] | None:
    """`field_box` as left, top, right and bottom of what is drawn, from 0 to 1.

    None where it is not known, where it is empty or all there is, or where another picture or slice is shown.
    """
    spans, at = field_box(state), state.focus
    if not spans or at is None or at.image != state.image or any(low >= high for low, high in spans):
        return None
    run: Any = state.run
    shape = run.manifest["layers"][state.values.layer]["receptive_field"]["input"][:-1]
    parts = [(low / whole, high / whole) for (low, high), whole in zip(spans, shape, strict=True)]
    if len(parts) == 3 and len(state.values.spatial) == 3:
        deep = state.values.spatial[0]
        if state.cut + 1 <= parts[0][0] * deep or state.cut >= parts[0][1] * deep:
            return None
    if all(part == (0.0, 1.0) for part in parts):
        return None  # all of it: a frame about the whole picture tells nothing
    (top, bottom), (left, right) = ((0.0, 1.0), *parts)[-2:]
    return left, top, right, bottom
