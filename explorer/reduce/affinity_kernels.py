"""The bandwidth of every row, found so that its weights have the perplexity asked for (compiled)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from explorer.reduce.jit import compiled

WIDEST = 30.0
"""Largest size of the logarithm of a precision, in units of one over the row's mean squared distance."""
STEPS = 64
CLOSE = 1e-6
"""Difference of entropies, in nats, that is good enough."""


@compiled()
def _entropy(squares: NDArray[Any], precision: float, weights: NDArray[Any]) -> tuple[float, float]:
    """Fill weights; returns their entropy in nats and how fast it falls with the precision's logarithm."""
    total, first, second = 0.0, 0.0, 0.0
    for j in range(len(squares)):
        w = np.exp(-precision * squares[j])
        weights[j] = w
        total += w
        first += w * squares[j]
        second += w * squares[j] * squares[j]
    for j in range(len(squares)):
        weights[j] /= total
    mean = first / total
    return np.log(total) + precision * mean, precision * precision * (second / total - mean * mean)


@compiled(parallel=True)
def weigh(distances: NDArray[Any], perplexity: float) -> NDArray[Any]:
    """Gaussian weights (n, k) float32 of neighbours at these distances, each row summing to 1.

    Newton's method on the logarithm of the precision, kept between bounds that a bisection narrows:
    the entropy falls as the precision grows. Bounds end the search where no precision will do: as many
    coinciding neighbours as the perplexity asks for, or fewer neighbours than it.
    """
    n, k = distances.shape
    result = np.empty((n, k), np.float32)
    wanted = np.log(perplexity)
    for i in prange(n):
        squares, weights = np.empty(k), np.empty(k)
        least, total = np.inf, 0.0
        for j in range(k):
            squares[j] = np.float64(distances[i, j]) ** 2
            least = min(least, squares[j])
        for j in range(k):
            squares[j] -= least  # no weight underflows all by itself
            total += squares[j]
        scale = total / k if total > 0 else 1.0
        for j in range(k):
            squares[j] /= scale
        low, high, middle = -WIDEST, WIDEST, 0.0
        for _ in range(STEPS):
            entropy, fall = _entropy(squares, np.exp(middle), weights)
            excess = entropy - wanted
            if abs(excess) < CLOSE:
                break
            if excess > 0:
                low = middle
            else:
                high = middle
            guess = middle + excess / fall if fall > 1e-12 else low
            middle = guess if low < guess < high else 0.5 * (low + high)
        for j in range(k):
            result[i, j] = weights[j]
    return result
