"""Where the cells of an atlas are drawn: as on the map, but with its clusters drawn together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Cells = NDArray[np.int64]
AROUND = np.array([(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)])


def close_gaps(cells: Cells) -> tuple[Cells, tuple[int, int]]:
    """Draw what is apart together, until one empty cell is between.

    Cells that touch, at an edge or a corner, are a cluster, which stays as it is. Clusters go towards the
    middle of all, the nearest to it first, step by step, as long as none comes to touch another.

    Args:
        cells: (n, 2) row and column of each cell, no two alike.

    Returns:
        Row and column of each cell afterwards, and how many rows and columns there are.

    >>> close_gaps(np.array([[0, 0], [0, 9], [7, 0]]))[0].tolist()
    [[0, 0], [0, 2], [2, 0]]
    """
    places = cells - cells.min(axis=0)
    clusters = _clusters(places)
    reach = places.max(axis=0) + 2  # no cluster goes farther, nor looks farther
    places = places + reach
    taken = np.zeros(3 * reach, bool)
    taken[tuple(places.T)] = True
    middle = places.mean(axis=0)
    moved = len(clusters) > 1
    while moved:
        clusters.sort(key=lambda one: float(np.square(places[one].mean(axis=0) - middle).sum()))
        moved = False
        for one in clusters:
            taken[tuple(places[one].T)] = False
            step = _step(places[one], middle, taken)
            places[one] += step
            taken[tuple(places[one].T)] = True
            moved |= bool(step.any())
    places = places - places.min(axis=0)
    rows, columns = (places.max(axis=0) + 1).tolist()
    return places, (rows, columns)


def _clusters(places: Cells) -> list[NDArray[np.intp]]:
    """Which cells belong together."""
    from scipy.ndimage import label

    grid = np.zeros(places.max(axis=0) + 1, bool)
    grid[tuple(places.T)] = True
    of = label(grid, np.ones((3, 3)))[0][tuple(places.T)]
    return [np.flatnonzero(of == number) for number in range(1, of.max() + 1)]


def _step(cluster: Cells, middle: NDArray[np.float64], taken: NDArray[np.bool_]) -> Cells:
    """The step that takes a cluster nearest to the middle without touching what else there is; or none."""
    away = middle - cluster.mean(axis=0)
    down, right = np.where(np.abs(away) > 0.5, np.sign(away), 0).astype(int).tolist()
    for step in sorted([(down, right), (down, 0), (0, right)], key=lambda one: _left(away, one)):
        beside = (cluster + step)[:, None] + AROUND
        if any(step) and not taken[beside[..., 0], beside[..., 1]].any():
            return np.array(step)
    return np.zeros(2, np.int64)


def _left(away: NDArray[np.float64], step: tuple[int, int]) -> float:
    """How far it is after a step."""
    return float(np.square(away - step).sum())
