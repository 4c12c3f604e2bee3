"""How good a map is, computed here by brute force in double precision, independently of the package."""

from __future__ import annotations

from typing import Any

import numpy as np

NEIGHBOURS = 15
SAMPLE = 1000
PERPLEXITY = 30
EXACT_Z_TO = 60_000


def trust_and_kept(rows: np.ndarray, coordinates: np.ndarray) -> tuple[float, float]:
    """Trustworthiness and the share of 15 true neighbours kept, on 1,000 of the rows against all.

    Trustworthiness after Venna & Kaski 2001. Ties count in favour of the map.
    """
    n, k = len(rows), NEIGHBOURS
    drawn = np.random.default_rng(1).choice(n, min(n, SAMPLE), replace=False)
    excess = kept = 0.0
    for part in np.array_split(drawn, max(1, len(drawn) * n // 20_000_000)):
        true, shown = _squares(rows, part), _squares(coordinates, part)
        near = np.argpartition(shown, k, axis=1)[:, :k]
        gaps = np.take_along_axis(true, near, axis=1)
        true.sort(axis=1)
        kept += float((gaps <= true[:, k - 1 : k] + 1e-9).sum())
        ranks = [np.searchsorted(line, wanted - 1e-9) for line, wanted in zip(true, gaps, strict=True)]
        excess += float(np.maximum(np.stack(ranks) - (k - 1), 0).sum())
    m = len(drawn)
    return 1 - 2 * excess / (m * k * (2 * n - 3 * k - 1)), kept / (m * k)


def _squares(rows: np.ndarray, part: np.ndarray) -> np.ndarray:
    wide = rows.astype(np.float64)
    norms = (wide**2).sum(axis=1)
    squares = norms[part, None] + norms[None] - 2 * wide[part] @ wide.T
    squares[np.arange(len(part)), part] = np.inf
    return squares


def joint_probabilities(rows: np.ndarray) -> Any:
    """t-SNE's affinities of the rows as a sparse matrix: perplexity 30 on exact neighbours, by openTSNE."""
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    indices, distances = exact_neighbours(rows, 3 * PERPLEXITY)
    known = PrecomputedNeighbors(indices.astype(np.int64), distances.astype(float))
    return PerplexityBasedNN(perplexity=PERPLEXITY, knn_index=known, n_jobs=-1).P.tocoo()


def exact_neighbours(rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices and distances (n, k) of the nearest other rows, all compared with all."""
    n = len(rows)
    norms = (rows**2).sum(axis=1)
    indices, distances = np.empty((n, k), np.int32), np.empty((n, k), np.float32)
    for start in range(0, n, 1024):
        block = slice(start, min(start + 1024, n))
        squares = np.maximum(norms[block, None] + norms[None] - 2 * rows[block] @ rows.T, 0)
        squares[np.arange(block.stop - start), np.arange(start, block.stop)] = np.inf
        near = np.argpartition(squares, k, axis=1)[:, :k]
        found = np.take_along_axis(squares, near, axis=1)
        order = np.argsort(found, axis=1)
        indices[block] = np.take_along_axis(near, order, axis=1)
        distances[block] = np.sqrt(np.take_along_axis(found, order, axis=1))
    return indices, distances


def divergence(joint: Any, coordinates: np.ndarray) -> float:
    """Kullback–Leibler divergence of a map from affinities, in nats.

    The normalisation Z is exact up to 60,000 rows, and beyond summed over 5,000 rows against all.
    """
    wide = np.asarray(coordinates, np.float64)
    n = len(wide)
    between = ((wide[joint.row] - wide[joint.col]) ** 2).sum(axis=1)
    drawn = np.arange(n) if n <= EXACT_Z_TO else np.random.default_rng(2).choice(n, 5000, replace=False)
    total, norms = -float(len(drawn)), (wide**2).sum(axis=1)
    for start in range(0, len(drawn), 1024):
        part = drawn[start : start + 1024]
        squares = norms[part, None] + norms[None] - 2 * wide[part] @ wide.T
        total += float((1 / (1 + np.maximum(squares, 0))).sum())
    total *= n / len(drawn)
    p = joint.data
    return float((p * (np.log(np.maximum(p, 1e-300)) + np.log1p(between))).sum() + np.log(total))
