"""One step of t-SNE with the attraction summed on the way, and the map's stretching (compiled)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from explorer.reduce.jit import compiled
from explorer.reduce.octree import ONE, ZERO

RISE, FALL, LEAST = np.float32(0.2), np.float32(0.8), np.float32(0.01)
"""How gains change, and their floor."""
ROWS = 128
"""Rows of one share of the work."""


@compiled(parallel=True)
def step(
    points: NDArray[Any], others: NDArray[Any], graph: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
    sums: NDArray[Any], inverses: NDArray[Any], state: tuple[NDArray[Any], NDArray[Any]],
    settings: NDArray[Any],
) -> NDArray[Any]:  # fmt: skip
    """One step of gradient descent with momentum and gains (Jacobs 1988).

    Args:
        points: (n, 4), the fourth number unused, so that a point is one load.
        others: (m, 4) what attracts them, the points themselves or a fixed map.
        graph: CSR of the affinities: starts (n + 1,) int64, neighbours uint32, values float32.
        sums: (n, 4) forces of repulsion.
        inverses: (n,) what to multiply them by.
        state: velocities and gains (n, 4), both changed.
        settings: exaggeration, learning rate, momentum, longest step; float32.

    Returns:
        The new points.
    """
    starts, neighbours, values = graph
    velocity, gains = state
    exaggeration, rate, momentum, longest = settings
    n = len(points)
    result = np.zeros_like(points)
    most = 0
    for i in range(n):
        most = max(most, starts[i + 1] - starts[i])
    for share in prange((n + ROWS - 1) // ROWS):
        side = np.empty((3, most), np.float32)
        pull = np.empty(3, np.float32)
        for i in range(share * ROWS, min(n, (share + 1) * ROWS)):
            x, y, z = points[i, 0], points[i, 1], points[i, 2]
            fx, fy, fz = ZERO, ZERO, ZERO
            near, weights = neighbours[starts[i] : starts[i + 1]], values[starts[i] : starts[i + 1]]
            count = len(near)
            sx, sy, sz = side[0, :count], side[1, :count], side[2, :count]
            # Side by side first: then the sum is one vectorised loop on any processor.
            for e in range(count):
                j = near[e]
                sx[e], sy[e], sz[e] = others[j, 0], others[j, 1], others[j, 2]
            for e in range(count):
                dx, dy, dz = x - sx[e], y - sy[e], z - sz[e]
                w = weights[e] / (ONE + dx * dx + dy * dy + dz * dz)
                fx += w * dx
                fy += w * dy
                fz += w * dz
            pull[0], pull[1], pull[2] = fx, fy, fz
            square = ZERO
            for k in range(3):
                gradient = exaggeration * pull[k] - sums[i, k] * inverses[i]
                speed = velocity[i, k]
                gain = gains[i, k]
                gain = max(gain + RISE if gradient * speed < ZERO else gain * FALL, LEAST)
                speed = momentum * speed - rate * gain * gradient
                gains[i, k] = gain
                velocity[i, k] = speed
                square += speed * speed
            shorten = longest / max(np.sqrt(square), longest)
            for k in range(3):
                velocity[i, k] *= shorten
                result[i, k] = points[i, k] + velocity[i, k]
    return result


@compiled(parallel=True)
def stretch(points: NDArray[Any], graph: tuple[NDArray[Any], NDArray[Any], NDArray[Any]]) -> NDArray[Any]:
    """For each point (n, 4) the sum over its neighbours of p log(1 + distance²): float64 (n,)."""
    starts, neighbours, values = graph
    n = len(points)
    result = np.empty(n, np.float64)
    for share in prange((n + ROWS - 1) // ROWS):
        for i in range(share * ROWS, min(n, (share + 1) * ROWS)):
            total = 0.0
            for e in range(starts[i], starts[i + 1]):
                square = ZERO
                for k in range(3):
                    difference = points[i, k] - points[neighbours[e], k]
                    square += difference * difference
                total += values[e] * np.log(ONE + square)
            result[i] = total
    return result
