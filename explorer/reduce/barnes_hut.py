"""Repulsion of a map's points: exact for few, by cells for many, and how far off the latter is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAF, GROUP = 32, 64
"""Most points of a leaf, and of a group of targets that share one expansion."""
THETA = {2: 0.45, 3: 0.55}
"""Largest size of a cell and a group to their distance: each gives forces within 1 % in the mean."""
DIRECT = 2000
"""Up to so many points every pair is summed: exact, and as fast."""
RECUT = 10
"""Iterations that the cuts of a tree serve. Moments and radii are always of this iteration."""
MEASURED = 500
"""Points whose forces are compared with exact ones."""


@dataclass
class Cells:
    """A tree over points that may go on moving: its cuts stay good, its moments and radii follow.

    Attributes:
        order: (n,) the points' rows in the tree's order.
        points: (3, n) float32 in that order.
        tree: nodes, roots of subtrees and their last slots, as `octree.grow` returns them.
        cells: (slots, 16) moments.
        groups: slots of the groups of points.
    """

    order: NDArray[np.int32]
    points: NDArray[np.float32]
    tree: tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
    cells: NDArray[np.float32]
    groups: NDArray[np.int32]

    def follow(self, points: NDArray[np.float32]) -> None:
        """Take new places (n, 4) of the points."""
        from explorer.reduce.octree import sum_cells

        self.points = _columns(points, self.order)
        sum_cells(self.points, *self.tree, self.cells)


def cut(points: NDArray[np.float32], order: NDArray[np.int32] | None = None) -> Cells:
    """Cut points (n, 4) into cells, from an earlier order where there is one, which is faster."""
    from explorer.reduce.octree import COLUMNS, grow, list_groups, sum_cells

    order = np.arange(len(points), dtype=np.int32) if order is None else order.copy()
    columns = _columns(points, order)
    tree = grow(columns, order, LEAF)
    cells = np.zeros((len(tree[0]), COLUMNS), np.float32)
    sum_cells(columns, *tree, cells)
    return Cells(order, columns, tree, cells, list_groups(tree[0], GROUP))


def singly(points: NDArray[np.float32]) -> Cells:
    """Points (m, 4) as cells of one point each, so that what is summed at one depends on no other."""
    from explorer.reduce.octree import COLUMNS, END, LINKS, START

    rows = np.arange(len(points), dtype=np.int32)
    cells = np.zeros((len(points), COLUMNS), np.float32)
    cells[:, :3] = points[:, :3]
    cells.view(np.int32)[:, LINKS + START], cells.view(np.int32)[:, LINKS + END] = rows, rows + 1
    no_tree = (np.empty((0, 3), np.int32), rows[:0], rows[:0])
    return Cells(rows, _columns(points, rows), no_tree, cells, rows)


def _columns(points: NDArray[np.float32], order: NDArray[np.int32]) -> NDArray[np.float32]:
    """Points (n, 4) as (3, n) in this order."""
    return np.ascontiguousarray(points[order, :3].T)


def sums(sources: Cells, targets: Cells, theta: float) -> NDArray[np.float32]:
    """Forces and potentials (m, 4) at the targets; where these are the sources, own pairs count 1."""
    from explorer.reduce.tsne_kernels import sum_cells_and_points

    groups = targets.cells[targets.groups]
    return np.asarray(
        sum_cells_and_points(sources.points, sources.cells, targets.points, targets.order, groups, theta)
    )


class Repulsion:
    """The repulsive sums of one map, iteration after iteration."""

    def __init__(self, n_components: int, *, theta: float | None = None, direct: int = DIRECT) -> None:
        self._theta = THETA[n_components] if theta is None else theta
        self._direct = direct
        self._cells: Cells | None = None
        self._age = 0

    def __call__(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Forces and potentials (n, 4) at points (n, 4) that moved little; own pairs count 1."""
        if len(points) <= self._direct:
            return exact_sums(points, points)
        if self._cells is None or self._age >= RECUT:
            self._cells = cut(points, None if self._cells is None else self._cells.order)
            self._age = 0
        else:
            self._cells.follow(points)
        self._age += 1
        return sums(self._cells, self._cells, self._theta)


def exact_sums(sources: NDArray[np.float32], targets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Forces and potentials (m, 4) at targets (m, 4) over all sources (n, 4)."""
    from explorer.reduce.tsne_kernels import sum_all

    return np.asarray(sum_all(np.ascontiguousarray(sources[:, :3].T), targets))


def force_error(points: NDArray[np.float32], sums: NDArray[np.float32]) -> tuple[float, float]:
    """Mean relative error of forces, and relative error of Z, measured at some of the points.

    Args:
        points: (n, 4).
        sums: (n, 4) what was computed at them.
    """
    some = np.unique(np.linspace(0, len(points) - 1, MEASURED).astype(np.int64))
    exact = exact_sums(points, points[some]).astype(np.float64)
    off = np.linalg.norm(sums[some, :3] - exact[:, :3], axis=1)
    size = np.linalg.norm(exact[:, :3], axis=1)
    total = exact[:, 3].sum() - len(some)
    error = float((off[size > 0] / size[size > 0]).mean()) if (size > 0).any() else 0.0
    gap = abs(float(sums[some, 3].sum(dtype=np.float64) - exact[:, 3].sum()))
    return error, gap / total if total > 0 else 0.0
