"""The repulsive sums of a t-SNE iteration (compiled), exact or by cells.

The potential phi(y) = sum over j of 1 / (1 + |y - y_j|²) gives both sums that t-SNE repels by: its own
sum is Z, and the force sum of (y - y_j) / (1 + |y - y_j|²)² is minus half its gradient. Far cells are
expanded to third order about the centre of a group of targets, once for all of its points, with masses
and second moments of the sources (Dehnen 2002, for gravity; Barnes & Hut 1986 and van der Maaten 2014
use masses alone, point by point). Near points are summed directly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from explorer.reduce.jit import compiled
from explorer.reduce.octree import (
    END,
    LINKS,
    MASS,
    ONE,
    RADIUS,
    START,
    XX,
    XY,
    XZ,
    YY,
    YZ,
    ZERO,
    ZZ,
    X,
    Y,
    Z,
    walk,
)

BLOCK = 256
"""Far cells put side by side at once."""
TERMS = 24
TASKS = 64
"""Shares of the parallel loop, interleaved so that dense regions are spread over the threads."""
ROOM = 1024
"""First guess at the longest list of sources."""
NEAR = 2048
"""Near points put side by side at once."""
FOUR, SIX, EIGHT, HALF, SIXTH = (np.float32(v) for v in (4, 6, 8, 0.5, 1 / 6))


@compiled()
def _expand(sources: NDArray[Any], count: int, target: NDArray[Any], terms: NDArray[Any]) -> None:
    """Add the Taylor terms of `count` cells, columns of sources (10, BLOCK), about a target cell.

    With d from source to target, q = 1 + d², mass m and second moments Q: the value, 3 of the gradient,
    6 products and the diagonal's part of the second derivatives, 10 products and 3 of the third. The 24 sums
    stay in registers over one loop, which is why they are all in one function.
    """
    x, y, z = target[X], target[Y], target[Z]
    v, gx, gy, gz, hd, tx, ty, tz = ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO
    hxx, hyy, hzz, hxy, hxz, hyz = ZERO, ZERO, ZERO, ZERO, ZERO, ZERO
    txxx, tyyy, tzzz, txxy, txxz = ZERO, ZERO, ZERO, ZERO, ZERO
    txyy, tyyz, txzz, tyzz, txyz = ZERO, ZERO, ZERO, ZERO, ZERO
    for i in range(count):
        dx, dy, dz = x - sources[X, i], y - sources[Y, i], z - sources[Z, i]
        w = ONE / (ONE + dx * dx + dy * dy + dz * dz)
        xx, yy, zz = sources[XX, i], sources[YY, i], sources[ZZ, i]
        xy, xz, yz = sources[XY, i], sources[XZ, i], sources[YZ, i]
        qx = xx * dx + xy * dy + xz * dz
        qy = xy * dx + yy * dy + yz * dz
        qz = xz * dx + yz * dy + zz * dz
        dqd = qx * dx + qy * dy + qz * dz
        trace = xx + yy + zz
        w2 = w * w
        w3 = w2 * w
        m1 = sources[MASS, i] * w
        m2 = m1 * w
        m3 = EIGHT * m2 * w
        m4 = -SIX * m3 * w
        v += m1 + FOUR * dqd * w3 - trace * w2
        # d(dQd w³)/dx and d(trace w²)/dx of the term above, and the gradient of the mass's own.
        common = FOUR * trace * w3 - FOUR * SIX * dqd * w3 * w - m2 - m2
        gx += common * dx + EIGHT * qx * w3
        gy += common * dy + EIGHT * qy * w3
        gz += common * dz + EIGHT * qz * w3
        hd -= m2 + m2
        px, py, pz = m3 * dx, m3 * dy, m3 * dz
        tx += px
        ty += py
        tz += pz
        hxx += px * dx
        hyy += py * dy
        hzz += pz * dz
        hxy += px * dy
        hxz += px * dz
        hyz += py * dz
        rxx, ryy, rzz = m4 * dx * dx, m4 * dy * dy, m4 * dz * dz
        txxx += rxx * dx
        txxy += rxx * dy
        txxz += rxx * dz
        txyy += ryy * dx
        tyyy += ryy * dy
        tyyz += ryy * dz
        txzz += rzz * dx
        tyzz += rzz * dy
        tzzz += rzz * dz
        txyz += m4 * dx * dy * dz
    sums = (v, gx, gy, gz, hd, hxx, hyy, hzz, hxy, hxz, hyz, tx, ty, tz,
            txxx, tyyy, tzzz, txxy, txxz, txyy, tyyz, txzz, tyzz, txyz)  # fmt: skip
    for k in range(TERMS):
        terms[k] += sums[k]


@compiled()
def _evaluate(terms: NDArray[Any], x: float, y: float, z: float) -> tuple[float, float, float, float]:
    """The force, minus half the gradient, and the value of an expansion at (x, y, z) from its centre."""
    hd = terms[4]
    sx = (terms[5] + hd) * x + terms[8] * y + terms[9] * z
    sy = terms[8] * x + (terms[6] + hd) * y + terms[10] * z
    sz = terms[9] * x + terms[10] * y + (terms[7] + hd) * z
    # The third derivatives along (x, y, z) twice: products, and deltas times the vector terms[11:14].
    square, along = x * x + y * y + z * z, terms[11] * x + terms[12] * y + terms[13] * z
    xx, yy, zz, xy, xz, yz = x * x, y * y, z * z, (x + x) * y, (x + x) * z, (y + y) * z
    cx = terms[14] * xx + terms[17] * xy + terms[18] * xz + terms[19] * yy + terms[21] * zz + terms[23] * yz
    cy = terms[17] * xx + terms[19] * xy + terms[23] * xz + terms[15] * yy + terms[22] * zz + terms[20] * yz
    cz = terms[18] * xx + terms[23] * xy + terms[21] * xz + terms[20] * yy + terms[16] * zz + terms[22] * yz
    cx += (along + along) * x + square * terms[11]
    cy += (along + along) * y + square * terms[12]
    cz += (along + along) * z + square * terms[13]
    value = terms[0] + (terms[1] * x + terms[2] * y + terms[3] * z)
    value += HALF * (sx * x + sy * y + sz * z) + SIXTH * (cx * x + cy * y + cz * z)
    fx = -HALF * (terms[1] + sx + HALF * cx)
    fy = -HALF * (terms[2] + sy + HALF * cy)
    fz = -HALF * (terms[3] + sz + HALF * cz)
    return fx, fy, fz, value


@compiled()
def _pair(
    sx: NDArray[Any], sy: NDArray[Any], sz: NDArray[Any], a: NDArray[Any], b: NDArray[Any],
    out_a: NDArray[Any], out_b: NDArray[Any],
) -> None:  # fmt: skip
    """Direct sums over sources at two targets: one division serves both."""
    ax, ay, az, bx, by, bz = a[0], a[1], a[2], b[0], b[1], b[2]
    fax, fay, faz, va, fbx, fby, fbz, vb = ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO
    for i in range(len(sx)):
        x, y, z = sx[i], sy[i], sz[i]
        dax, day, daz = ax - x, ay - y, az - z
        dbx, dby, dbz = bx - x, by - y, bz - z
        qa = ONE + dax * dax + day * day + daz * daz
        qb = ONE + dbx * dbx + dby * dby + dbz * dbz
        inverse = ONE / (qa * qb)
        wa, wb = qb * inverse, qa * inverse
        va += wa
        vb += wb
        wa *= wa
        wb *= wb
        fax += wa * dax
        fay += wa * day
        faz += wa * daz
        fbx += wb * dbx
        fby += wb * dby
        fbz += wb * dbz
    out_a[0] += fax
    out_a[1] += fay
    out_a[2] += faz
    out_a[3] += va
    out_b[0] += fbx
    out_b[1] += fby
    out_b[2] += fbz
    out_b[3] += vb


@compiled(parallel=True)
def sum_all(sources: NDArray[Any], targets: NDArray[Any]) -> NDArray[Any]:
    """Exact sums at targets (m, 4) over sources (3, n): force and potential (m, 4), own pairs included."""
    m = len(targets)
    sx, sy, sz = sources[0], sources[1], sources[2]
    sums = np.zeros((m + 1, 4), np.float32)
    for pair in prange((m + 1) // 2):
        a, b = 2 * pair, min(2 * pair + 1, m - 1)
        # Of an odd number the last is its own partner, whose sums go to the spare row.
        _pair(sx, sy, sz, targets[a], targets[b], sums[a], sums[2 * pair + 1])
    return sums[:m]


@compiled()
def _near(
    points: NDArray[Any], count: int, targets: NDArray[Any], start: int, end: int, sums: NDArray[Any]
) -> None:
    """Add the direct sums over points[:, :count] to those of targets start to end."""
    px, py, pz = points[0, :count], points[1, :count], points[2, :count]
    at, spare = np.empty((2, 3), np.float32), np.empty(4, np.float32)
    for i in range(start, end, 2):
        j = min(i + 1, end - 1)
        for k in range(3):
            at[0, k], at[1, k] = targets[k, i], targets[k, j]
        _pair(px, py, pz, at[0], at[1], sums[i], sums[j] if j > i else spare)


@compiled()
def _far(
    cells: NDArray[Any], listed: NDArray[Any], target: NDArray[Any], block: NDArray[Any], terms: NDArray[Any]
) -> None:
    """Terms of all cells in the list about a target cell."""
    terms[:] = ZERO
    for first in range(0, len(listed), BLOCK):
        count = min(BLOCK, len(listed) - first)
        for i in range(count):
            cell = cells[listed[first + i]]
            for k in range(RADIUS):
                block[k, i] = cell[k]
        _expand(block, count, target, terms)


@compiled()
def _sum_group(
    group: NDArray[Any], start: int, end: int, terms: NDArray[Any], sources: NDArray[Any],
    runs: NDArray[Any], points: NDArray[Any], targets: NDArray[Any], sums: NDArray[Any],
) -> None:  # fmt: skip
    """Sums of targets start to end: the expansion about their group, and the points of the near runs."""
    for i in range(start, end):
        x, y, z = targets[0, i] - group[X], targets[1, i] - group[Y], targets[2, i] - group[Z]
        sums[i, 0], sums[i, 1], sums[i, 2], sums[i, 3] = _evaluate(terms, x, y, z)
    count: Any = np.int64(0)  # a literal would be a type of its own
    for r in range(len(runs)):
        first, last = runs[r, 0], runs[r, 1]
        while first < last:
            more = min(last - first, NEAR - count)
            for k in range(3):
                for i in range(more):
                    points[k, count + i] = sources[k, first + i]
            first += more
            count += more
            if count == NEAR:
                _near(points, count, targets, start, end, sums)
                count = np.int64(0)
    _near(points, count, targets, start, end, sums)


@compiled(parallel=True)
def sum_cells_and_points(
    sources: NDArray[Any], cells: NDArray[Any], targets: NDArray[Any], order: NDArray[Any],
    groups: NDArray[Any], theta: float,
) -> NDArray[Any]:  # fmt: skip
    """Sums at all targets, group by group: force and potential (m, 4), own pairs included.

    Args:
        sources: (3, n) in their tree's order.
        cells: (slots, 16) of the sources.
        targets: (3, m) in their tree's order.
        order: (m,) that brought them there; the sums come back as they were before.
        groups: (groups, 16) cells of the targets.
        theta: largest size of a cell and a group to their distance at which the cell is expanded.
    """
    bound: Any = np.float32(theta**6)
    source_links, links = cells.view(np.int32), groups.view(np.int32)
    sums = np.empty((targets.shape[1], 4), np.float32)
    result = np.empty((targets.shape[1], 4), np.float32)
    for task in prange(TASKS):
        block, points = np.empty((RADIUS, BLOCK), np.float32), np.empty((3, NEAR), np.float32)
        terms = np.empty(TERMS, np.float32)
        far, near = np.empty(ROOM, np.int32), np.empty((ROOM, 2), np.int32)
        for g in range(task, len(groups), TASKS):
            n_far, n_near = walk(cells, source_links, groups[g], bound, far, near)
            if n_far > len(far) or n_near > len(near):
                # The lists were too short for it: again with longer ones, which later groups keep.
                far, near = np.empty(2 * n_far, np.int32), np.empty((2 * n_near, 2), np.int32)
                n_far, n_near = walk(cells, source_links, groups[g], bound, far, near)
            _far(cells, far[:n_far], groups[g], block, terms)
            start, end = links[g, LINKS + START], links[g, LINKS + END]
            _sum_group(groups[g], start, end, terms, sources, near[:n_near], points, targets, sums)
            for i in range(start, end):
                for k in range(4):
                    result[order[i], k] = sums[i, k]
    return result
