"""The fuzzy simplicial set of UMAP (McInnes, Healy & Melville 2018, section 3.1), in numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

ROUNDS = 64
TOLERANCE = 1e-5
"""Of the cardinality that sigma is solved for, as in umap-learn."""
SMALLEST = 1e-6
"""Sigma, as a share of the mean gap, below which it is cut to LEAST_SCALE anyway."""
LEAST_SCALE = 1e-3
"""Least sigma as a share of the mean distance, as in umap-learn."""


@dataclass(frozen=True)
class Graph:
    """A symmetric weighted graph, edges sorted by vertex and then by other end.

    Attributes:
        indptr: (n + 1,) where each vertex's edges begin.
        tails: (n_edges,) other ends.
        weights: (n_edges,) membership strengths, above 0 and at most 1.
    """

    indptr: NDArray[np.int64]
    tails: NDArray[np.int64]
    weights: Floats

    @property
    def n(self) -> int:
        """Number of vertices."""
        return len(self.indptr) - 1

    @property
    def heads(self) -> NDArray[np.int64]:
        """(n_edges,) the vertex that each edge belongs to."""
        return np.repeat(np.arange(self.n), np.diff(self.indptr))

    def keep(self, kept: NDArray[np.bool_]) -> Graph:
        """The edges where `kept` (n_edges,) is true."""
        before = np.concatenate([[0], np.cumsum(kept)])
        return Graph(before[self.indptr], self.tails[kept], self.weights[kept])

    def reorder(self, order: NDArray[np.int64]) -> tuple[Graph, NDArray[np.int64]]:
        """The same graph with vertex order[i] as vertex i, or whole components alone; and which edges."""
        places = np.zeros(self.n, np.int64)
        places[order] = np.arange(len(order))
        lengths = np.diff(self.indptr)[order]
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        edges = np.repeat(self.indptr[order] - indptr[:-1], lengths) + np.arange(indptr[-1])
        return Graph(indptr, places[self.tails[edges]], self.weights[edges]), edges


def local_scales(distances: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each row's distance to its nearest distinct neighbour, rho, and its scale, sigma.

    Sigma solves sum_j exp(-max(0, d_j - rho) / sigma) = log2(k + 1): the row itself counts among the
    neighbours, as in umap-learn. Newton steps in log sigma, held between the bounds of a bisection.

    Args:
        distances: (n, k), the row itself left out.
    """
    wide = np.asarray(distances, np.float64)
    n, k = wide.shape
    rho = np.where(wide > 0, wide, np.inf).min(axis=1)
    rho[np.isinf(rho)] = 0.0
    gaps = np.maximum(wide - rho[:, None], 0)
    target = np.log2(k + 1)
    sigma = _solve(gaps, target)
    own, whole = wide.sum(axis=1) / (k + 1), wide.sum() / max(n * (k + 1), 1)
    return rho, np.maximum(sigma, LEAST_SCALE * np.where(rho > 0, own, whole))


def _solve(gaps: NDArray[np.float64], target: float) -> NDArray[np.float64]:
    """Sigma (n,) for which exp(-gaps / sigma), gaps (n, k), sums to the target; 0 where none is so small."""
    sigma = np.zeros(len(gaps))
    rows = np.flatnonzero((gaps == 0).sum(axis=1) < target)
    low, high = np.zeros(len(rows)), np.full(len(rows), np.inf)
    unit = gaps[rows].mean(axis=1)  # so that distances of any size leave the squares in range
    gaps, now = gaps[rows] / unit[:, None], np.ones(len(rows))
    for _ in range(ROUNDS):
        shares = np.minimum(gaps / now[:, None], 700)
        strengths = np.exp(-shares)
        excess = strengths.sum(axis=1) - target
        high, low = np.where(excess > 0, now, high), np.where(excess > 0, low, now)
        sigma[rows] = now * unit
        going = (np.abs(excess) > TOLERANCE) & (now > SMALLEST)
        if not going.any():
            break
        slope = (shares * strengths).sum(axis=1)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            step = now * np.exp(-excess / slope)
        middle = np.where(np.isinf(high), now * 2, (low + high) / 2)
        now = np.where((step > np.maximum(low, now / 8)) & (step < np.minimum(high, now * 8)), step, middle)
        rows, unit, gaps = rows[going], unit[going], gaps[going]
        now, low, high = now[going], low[going], high[going]
    return sigma


def memberships(distances: NDArray[Any]) -> Floats:
    """Strength (n, k) of each row's link to each of its neighbours, 1 to the nearest."""
    rho, sigma = local_scales(distances)
    gaps = np.maximum(np.asarray(distances, np.float64) - rho[:, None], 0)
    shares = np.divide(gaps, sigma[:, None], out=np.zeros_like(gaps), where=sigma[:, None] > 0)
    return np.exp(-shares).astype(np.float32)


def fuzzy_set(indices: NDArray[Any], distances: NDArray[Any]) -> Graph:
    """Union of all rows' neighbourhoods: an edge is there if either end says so, p + q - p q.

    Args:
        indices: (n, k) neighbours, the row itself left out.
        distances: (n, k) of them.
    """
    n, k = indices.shape
    strengths = memberships(distances).ravel()
    heads, tails = np.repeat(np.arange(n), k), indices.astype(np.int64).ravel()
    there = strengths > 0
    heads, tails, strengths = heads[there], tails[there], strengths[there]
    keys = np.concatenate([heads * n + tails, tails * n + heads])
    order = np.argsort(keys)
    keys, weights = keys[order], np.concatenate([strengths, strengths])[order]
    first = np.flatnonzero(keys[1:] == keys[:-1])
    weights[first] += weights[first + 1] - weights[first] * weights[first + 1]
    kept = np.ones(len(keys), bool)
    kept[first + 1] = False
    keys, weights = keys[kept], weights[kept]
    heads = keys // n
    indptr = np.concatenate([[0], np.cumsum(np.bincount(heads, minlength=n))])
    return Graph(indptr, keys - heads * n, weights)


def curve_parameters(min_dist: float, spread: float = 1.0) -> tuple[float, float]:
    """The a and b for which 1 / (1 + a d^2b) is nearest to a plateau of 1 up to min_dist and exp(-d) after.

    Least squares at umap-learn's 300 distances, by Levenberg's and Marquardt's method.
    """
    x = np.linspace(0, spread * 3, 300)
    y = np.where(x < min_dist, 1.0, np.exp(-(x - min_dist) / spread))
    x, y = x[1:], y[1:]  # the curve is 1 at 0 whatever a and b
    logs = np.log(x)
    found, damping = np.zeros(2), 1e-3  # log a and log b, so that both stay positive
    cost = np.inf
    for _ in range(500):
        a, b = np.exp(found)
        powers = a * np.exp(2 * b * logs)
        curve = 1 / (1 + powers)
        slope = -curve * (1 - curve)  # of the curve in log a
        jacobian = np.stack([slope, slope * 2 * b * logs], axis=1)
        normal, downhill = jacobian.T @ jacobian, jacobian.T @ (y - curve)
        cost = float(((y - curve) ** 2).sum())
        while True:
            step = np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-12), downhill)
            step = np.clip(step, -1, 1)
            a, b = np.exp(found + step)
            tried = float(((y - 1 / (1 + a * np.exp(2 * b * logs))) ** 2).sum())
            if tried <= cost or damping > 1e12:
                break
            damping *= 4
        found, damping = found + (step if tried <= cost else 0), max(damping / 4, 1e-12)
        if np.abs(step).max() < 1e-10:
            break
    return float(np.exp(found[0])), float(np.exp(found[1]))
