"""A tree over the points of a map and the moments of its cells (compiled).

Cells are cut in two at the middle of the longest side of their tight box: an octree cut one axis at a
time, which fits clusters and outliers better and has no chains of single children. Coordinates are rows
(3, n) of float32, zeros in the third of a flat map. Every cell is summed by one thread in one order, so
all gives the same bits for any number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from explorer.reduce.jit import compiled

TOP = 256
"""Cells of the top, which is cut by one thread; below, each subtree is cut by its own."""
DEEPEST = 100
"""Cuts at the middle of the box before cells are halved by count, so that stacks are bounded."""
STACK = 256
START, END, LEFT = 0, 1, 2
"""Columns of nodes: the cell's points are order[START:END], its children LEFT (0: a leaf) and LEFT + 1."""
X, Y, Z, MASS, XX, YY, ZZ, XY, XZ, YZ, RADIUS, LINKS, COLUMNS = (*range(12), 16)
"""Columns of cells: centre of mass, points, second moments about it, distance of the farthest point,
and the row of nodes as integers, so that a cell is one cache line."""

ZERO, ONE, TWO, HALF = np.float32(0), np.float32(1), np.float32(2), np.float32(0.5)


@compiled()
def _cut(points: NDArray[Any], order: NDArray[Any], start: int, end: int) -> int:
    """Partition points[:, start:end] at the middle of the longest side; returns the boundary."""
    axis, middle, longest = 0, ZERO, ZERO
    for a in range(3):
        row = points[a]
        low, high = row[start], row[start]
        for i in range(start, end):
            low = min(low, row[i])
            high = max(high, row[i])
        if high - low > longest:
            axis, longest, middle = a, high - low, low + (high - low) * HALF
    row = points[axis]
    i, j = start, end - 1
    while True:
        while i <= j and row[i] < middle:
            i += 1
        while i <= j and not row[j] < middle:
            j -= 1
        if i >= j:
            break
        for a in range(3):
            points[a, i], points[a, j] = points[a, j], points[a, i]
        order[i], order[j] = order[j], order[i]
        i += 1
        j -= 1
    return i


@compiled()
def _grow(
    points: NDArray[Any], order: NDArray[Any], nodes: NDArray[Any], root: int, free: int, stop: int,
    least: int, roots: NDArray[Any],
) -> tuple[int, int]:  # fmt: skip
    """Cut `root` until cells hold `least` points or no pair of slots is left before `stop`.

    Returns the next free slot and how many cells, listed in `roots`, were left uncut and not leaves.
    """
    stack = np.empty((STACK, 2), np.int64)
    stack[0, 0], stack[0, 1] = root, 0
    height, n_left = 1, 0
    while height:
        height -= 1
        node, depth = stack[height, 0], stack[height, 1]
        start, end = nodes[node, START], nodes[node, END]
        nodes[node, LEFT] = 0
        if end - start <= least or free + 2 > stop:
            roots[n_left] = node
            n_left += 1
            continue
        boundary = (start + end) // 2
        if depth < DEEPEST:
            cut = _cut(points, order, start, end)
            if start < cut < end:  # else all the same: any halves will do
                boundary = cut
        nodes[node, LEFT] = free
        nodes[free, START], nodes[free, END] = start, boundary
        nodes[free + 1, START], nodes[free + 1, END] = boundary, end
        stack[height, 0], stack[height, 1] = free + 1, depth + 1
        stack[height + 1, 0], stack[height + 1, 1] = free, depth + 1
        height += 2
        free += 2
    return free, n_left


@compiled(parallel=True)
def grow(
    points: NDArray[Any], order: NDArray[Any], leaf: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Cut cells until each has at most `leaf` points, putting points and order into the tree's order.

    Args:
        points: (3, n) float32.
        order: (n,) int32 that goes with them.
        leaf: most points of a leaf.

    Returns:
        nodes (slots, 3) int32 with the root at 0, roots of the subtrees, last slot of each subtree.
    """
    n = points.shape[1]
    # A subtree of c points has fewer than 2c cells: slots from TOP + 2 * start on are its own.
    nodes = np.zeros((TOP + 2 * n, 3), np.int32)
    nodes[0, END] = n
    roots = np.empty(TOP, np.int64)
    # Typed, for a literal is a type of its own and the function would be compiled twice.
    root: Any = np.int64(0)
    free: Any = np.int64(2)
    stop: Any = np.int64(TOP)
    used, n_roots = _grow(points, order, nodes, root, free, stop, max(leaf, n // 32), roots)
    last = np.empty(n_roots + 1, np.int64)
    last[n_roots] = used
    for r in prange(n_roots):
        first = TOP + 2 * nodes[roots[r], START]
        end = TOP + 2 * nodes[roots[r], END]
        leaves = np.empty((end - first) // 2, np.int64)
        last[r] = _grow(points, order, nodes, roots[r], first, end, leaf, leaves)[0]
    return nodes, roots[:n_roots], last


@compiled()
def _sum_points(points: NDArray[Any], cell: NDArray[Any], start: int, end: int) -> None:
    mass = np.float32(end - start)
    x, y, z = ZERO, ZERO, ZERO
    for i in range(start, end):
        x += points[0, i]
        y += points[1, i]
        z += points[2, i]
    x, y, z = x / mass, y / mass, z / mass
    xx, yy, zz, xy, xz, yz = ZERO, ZERO, ZERO, ZERO, ZERO, ZERO
    for i in range(start, end):
        dx, dy, dz = points[0, i] - x, points[1, i] - y, points[2, i] - z
        xx += dx * dx
        yy += dy * dy
        zz += dz * dz
        xy += dx * dy
        xz += dx * dz
        yz += dy * dz
    cell[X], cell[Y], cell[Z], cell[MASS] = x, y, z, mass
    cell[XX], cell[YY], cell[ZZ], cell[XY], cell[XZ], cell[YZ] = xx, yy, zz, xy, xz, yz


@compiled()
def _sum_children(cell: NDArray[Any], a: NDArray[Any], b: NDArray[Any]) -> None:
    mass = a[MASS] + b[MASS]
    dx, dy, dz = b[X] - a[X], b[Y] - a[Y], b[Z] - a[Z]
    share = b[MASS] / mass
    reduced = a[MASS] * share
    cell[X], cell[Y], cell[Z], cell[MASS] = a[X] + share * dx, a[Y] + share * dy, a[Z] + share * dz, mass
    cell[XX] = a[XX] + b[XX] + reduced * dx * dx
    cell[YY] = a[YY] + b[YY] + reduced * dy * dy
    cell[ZZ] = a[ZZ] + b[ZZ] + reduced * dz * dz
    cell[XY] = a[XY] + b[XY] + reduced * dx * dy
    cell[XZ] = a[XZ] + b[XZ] + reduced * dx * dz
    cell[YZ] = a[YZ] + b[YZ] + reduced * dy * dz


@compiled()
def _sum_cell(points: NDArray[Any], nodes: NDArray[Any], cells: NDArray[Any], node: int) -> None:
    """Moments, radius and links of one cell whose children have theirs."""
    start, end, left = nodes[node, START], nodes[node, END], nodes[node, LEFT]
    cell = cells[node]
    if left:
        _sum_children(cell, cells[left], cells[left + 1])
    else:
        _sum_points(points, cell, start, end)
    x, y, z, farthest = cell[X], cell[Y], cell[Z], ZERO
    for i in range(start, end):
        dx, dy, dz = points[0, i] - x, points[1, i] - y, points[2, i] - z
        farthest = max(farthest, dx * dx + dy * dy + dz * dz)
    cell[RADIUS] = np.sqrt(farthest)
    links = cell.view(np.int32)
    for k in range(3):
        links[LINKS + k] = nodes[node, k]


@compiled(parallel=True)
def sum_cells(
    points: NDArray[Any], nodes: NDArray[Any], roots: NDArray[Any], last: NDArray[Any], cells: NDArray[Any]
) -> None:
    """Fill cells (slots, 16) from points (3, n) in the tree's order."""
    for r in prange(len(roots)):
        first = TOP + 2 * nodes[roots[r], START]
        for node in range(last[r] - 1, first - 1, -1):
            _sum_cell(points, nodes, cells, node)
    for node in range(last[len(roots)] - 1, -1, -1):
        if node != 1:
            _sum_cell(points, nodes, cells, node)


@compiled()
def list_groups(nodes: NDArray[Any], most: int) -> NDArray[Any]:
    """The largest cells of at most so many points: they hold every point once, in order."""
    groups = np.empty(nodes[0, END], np.int32)
    stack = np.empty(STACK, np.int64)
    stack[0] = 0
    height, count = 1, 0
    while height:
        height -= 1
        node = stack[height]
        left = nodes[node, LEFT]
        if left and nodes[node, END] - nodes[node, START] > most:
            stack[height], stack[height + 1] = left + 1, left
            height += 2
        else:
            groups[count] = node
            count += 1
    return groups[:count].copy()


@compiled()
def walk(
    cells: NDArray[Any], links: NDArray[Any], target: NDArray[Any], bound: float,
    far: NDArray[Any], near: NDArray[Any],
) -> tuple[int, int]:  # fmt: skip
    """List what a group of targets is summed over: cells to expand, and runs of points that are too near.

    With s the cell's radius and the group's together and d their distance, the first term that an
    expansion to third order leaves out weighs s³ / (1 + d²)³, and the force, between d or s at least
    apart, max(d, s) / (1 + d²)². A cell is expanded when the first is less than theta³ of the second:
    far away that is the opening angle, s < theta d, and nearer than 1, where forces fade, it is stricter.

    Args:
        cells: (slots, 16) of the sources.
        links: the same as integers.
        target: (16,) cell of the group.
        bound: theta⁶.
        far: (room,) filled with cells.
        near: (room, 2) filled with runs, start and end.

    Returns:
        How many there are of each; those past the ends of `far` and `near` are counted, but not listed.
    """
    stack = np.empty(STACK, np.int64)
    stack[0] = 0
    height, n_far, n_near, previous = 1, 0, 0, -1
    x, y, z, radius = target[X], target[Y], target[Z], target[RADIUS]
    while height:
        height -= 1
        node = stack[height]
        dx, dy, dz = cells[node, X] - x, cells[node, Y] - y, cells[node, Z] - z
        size, square = cells[node, RADIUS] + radius, dx * dx + dy * dy + dz * dz
        size *= size
        q = ONE + square
        if size * size * size < bound * q * q * max(square, size):
            if n_far < len(far):
                far[n_far] = node
            n_far += 1
            continue
        left = links[node, LINKS + LEFT]
        if left:
            stack[height], stack[height + 1] = left + 1, left
            height += 2
            continue
        start = links[node, LINKS + START]
        if start != previous:
            if n_near < len(near):
                near[n_near, 0] = start
            n_near += 1
        previous = links[node, LINKS + END]
        if n_near <= len(near):
            near[n_near - 1, 1] = previous
    return n_far, n_near
