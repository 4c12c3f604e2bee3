"""What of a layer's grid is drawn as one picture, and which position a cell of it is."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from explorer.render.state import State


def slice_of(state: State) -> int:
    """Which slice of a volume is shown: that of the position looked at, or the middle."""
    if state.focus is not None and len(state.focus.position) == 3:
        return state.focus.position[0]
    return state.values.spatial[0] // 2 if len(state.values.spatial) == 3 else 0


def plane(state: State, grid: NDArray[Any]) -> NDArray[Any] | None:
    """What of (*spatial, …) can be drawn, as (rows, columns, …); None when there are no positions.

    A signal is one row; a volume gives one slice.
    """
    rank = len(state.values.spatial)
    if rank == 0:
        return None
    if rank == 1:
        return grid[None]
    return grid[slice_of(state)] if rank == 3 else grid


def cells(state: State) -> tuple[int, int] | None:
    """Rows and columns of the plane that is drawn."""
    spatial = state.values.spatial
    if not spatial:
        return None
    return (1, spatial[0]) if len(spatial) == 1 else (spatial[-2], spatial[-1])


def position_at(state: State, row: int, column: int) -> tuple[int, ...]:
    """The grid position drawn at a row and column of the plane."""
    rank = len(state.values.spatial)
    return {1: (column,), 2: (row, column), 3: (slice_of(state), row, column)}[rank]


def cell_of(state: State) -> tuple[int, int] | None:
    """Row and column of the position looked at, when its image is shown."""
    at = state.focus
    if at is None or at.image != state.image or not at.position:
        return None
    return (at.position[-2] if len(at.position) > 1 else 0), at.position[-1]
