"""New rows put into a fixed t-SNE map."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ITERATIONS, RATE, LONGEST_STEP = 100, 0.5, 0.25
MOMENTUM = 0.5
SAME = 0.01
"""A row nearer to a fitted one than this share of its neighbours' mean distance is put where that is."""
AT_ONCE = 65_536
"""Rows whose neighbours are held once more."""


def place(
    indices: NDArray[Any],
    distances: NDArray[Any],
    fixed: NDArray[Any],
    *,
    perplexity: float = 30.0,
    n_iter: int = ITERATIONS,
) -> NDArray[np.float32]:
    """Put new rows into a fixed map, each by itself, whatever other rows come with it.

    A row starts at the mean of its neighbours weighted by its affinities to them, and descends on its
    own divergence (as openTSNE's transform does, Poličar et al. 2024). A row that is one of the fitted
    ones is put where that one is.

    Args:
        indices: (m, k) fitted rows nearest to each new one.
        distances: (m, k) to them.
        fixed: (n, 2 or 3) the map of the fitted rows.
        perplexity: effective number of neighbours.
        n_iter: steps of the descent.

    Returns:
        Coordinates (m, 2 or 3).
    """
    from explorer.reduce.affinities import conditional
    from explorer.reduce.barnes_hut import THETA, cut

    n_components = fixed.shape[1]
    others = np.zeros((len(fixed), 4), np.float32)
    others[:, :n_components] = fixed
    sources, theta = cut(others), THETA[n_components]
    parts = [np.empty((0, n_components), np.float32)]
    for first in range(0, len(indices), AT_ONCE):
        rows = slice(first, first + AT_ONCE)
        near = np.asarray(distances[rows], np.float64)
        weights = conditional(near, perplexity)
        same = near <= SAME * near.mean(axis=1, keepdims=True)
        known = same.any(axis=1)
        weights[known] = same[known] / same[known].sum(axis=1, keepdims=True)
        points = np.einsum("mk,mkc->mc", weights, others[indices[rows]], dtype=np.float32)
        moving = np.flatnonzero(~known)
        if len(moving):
            attraction = (indices[rows][moving], weights[moving])
            points[moving] = _descend(points[moving], attraction, others, sources, theta, n_iter)
        parts.append(points[:, :n_components])
    return np.concatenate(parts)


def _descend(
    points: NDArray[np.float32],
    attraction: tuple[NDArray[Any], NDArray[np.float32]],
    others: NDArray[np.float32],
    sources: Any,
    theta: float,
    n_iter: int,
) -> NDArray[np.float32]:
    """Points (m, 4) after descending on each one's sum of p log(p / q), q over all fixed points."""
    from explorer.reduce.barnes_hut import singly, sums
    from explorer.reduce.tsne_steps import step

    indices, weights = attraction
    m, k = indices.shape
    starts = np.arange(0, m * k + 1, k, dtype=np.int64)
    graph = (starts, indices.ravel().astype(np.uint32), np.ascontiguousarray(weights).ravel())
    state = (np.zeros_like(points), np.ones_like(points))
    settings = np.array([1.0, RATE, MOMENTUM, LONGEST_STEP], np.float32)
    for _ in range(n_iter):
        repulsion = sums(sources, singly(points), theta)
        inverses = (1 / np.maximum(repulsion[:, 3], 1e-12)).astype(np.float32)
        points = step(points, others, graph, repulsion, inverses, state, settings)
    return points
