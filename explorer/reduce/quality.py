"""How far a map can be trusted, as figures with what a random map and PCA would score beside them.

Everything is measured on a stated sample of rows, so a figure costs the same for a million rows.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.reduce.pca import fit_pca
from explorer.reduce.threads import in_order

MOST = 1000
"""Rows that the figures are measured on."""
NEIGHBOURS = 15
REFERENCE, NEAR = 400, 8
"""Rows that every position's trust is measured against, and the size of its neighbourhood there."""
PAIRS = 50_000
BLOCK = 8192


@dataclass(frozen=True)
class Figures:
    """What a map scores; in all of them 1 is perfect.

    Attributes:
        trustworthiness: of each point's neighbours on the map, how near they are in truth; a random
            map scores about 0.5 (Venna & Kaski 2001).
        continuity: of each point's true neighbours, how near they are on the map; the same scale.
        neighbourhood_preservation: share of each point's 15 true neighbours that are among its 15
            neighbours on the map.
        shepard_correlation: rank correlation of true distances with those on the map; 0 for random.
    """

    trustworthiness: float
    continuity: float
    neighbourhood_preservation: float
    shepard_correlation: float


def measure(
    features: NDArray[np.float32], coordinates: NDArray[np.float32], random_state: int | None = 0
) -> dict[str, Any]:
    """Score a map, and a random map and PCA of the same rows for comparison.

    Args:
        features: (n, n_features).
        coordinates: (n, n_components).
        random_state: seed of the sample.

    Returns:
        The `Figures` by name; "random" and "pca", each with the same names; and "measured_on", the
        number of rows in the sample. Empty for too few rows to tell.
    """
    if len(features) < 2 * NEIGHBOURS + 2:
        return {}
    rng = np.random.default_rng(random_state)
    drawn = rng.choice(len(features), min(len(features), MOST), replace=False)
    truth, shown = features[drawn], coordinates[drawn]
    if not (np.isfinite(truth).all() and np.isfinite(shown).all()):
        return {}
    basis = fit_pca([truth], shown.shape[1])
    maps = {"": shown, "random": rng.permutation(shown), "pca": basis.transform(truth)}
    true_distances = distances(truth)
    each = in_order(lambda rows: _rounded(figures(true_distances, distances(rows))), maps.values())
    scored = dict(zip(maps, each, strict=True))
    own = scored.pop("")
    return {**own, **scored, "measured_on": len(drawn)}


def figures(truth: NDArray[np.float64], shown: NDArray[np.float64]) -> Figures:
    """Score a map from all distances (n, n) in truth and on the map, the diagonals infinite."""
    n, k = len(truth), min(NEIGHBOURS, (len(truth) - 2) // 2)
    near_truth, near_shown = nearest(truth, k), nearest(shown, k)
    shared = (near_truth[:, :, None] == near_shown[:, None, :]).any(axis=2).mean()
    pairs = np.triu_indices(n, 1)
    step = max(1, len(pairs[0]) // PAIRS)
    some = pairs[0][::step], pairs[1][::step]
    return Figures(
        float(1 - _intrusion(truth, near_shown).mean()),
        float(1 - _intrusion(shown, near_truth).mean()),
        float(shared),
        rank_correlation(truth[some], shown[some]),
    )


def trustworthiness(
    features: NDArray[np.float32], coordinates: NDArray[np.float32], reference: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Every position's own trustworthiness, (n,), measured against some rows.

    Of the 8 reference rows that lie nearest on the map, how near are they in truth? 1 when they are
    the 8 nearest in truth too; a random map gives 0.5 on average.

    Args:
        features: (n, n_features).
        coordinates: (n, n_components).
        reference: which rows to measure against, (m,), m at least 18.
    """
    known = features[reference], coordinates[reference]
    scores = []
    for start in range(0, len(features), BLOCK):
        part = slice(start, min(start + BLOCK, len(features)))
        own = np.arange(part.start, part.stop)[:, None] == reference
        scores.append(trust_against((features[part], coordinates[part]), known, own))
    return np.concatenate(scores)


def trust_against(
    rows: tuple[NDArray[Any], NDArray[Any]],
    reference: tuple[NDArray[Any], NDArray[Any]],
    own: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Trust (n,) of some rows, given as (features, coordinates), against reference rows given alike.

    `own` (n, m) says where a row is itself one of the reference: it is not its own neighbour.
    """
    truth, shown = (squared_distances(one, other) for one, other in zip(rows, reference, strict=True))
    truth[own] = shown[own] = np.inf
    return np.asarray(1 - _intrusion(truth, nearest(shown, NEAR)), np.float32)


def size_of(coordinates: NDArray[np.float32]) -> np.float32:
    """The largest coordinate: divided by it, squares neither overflow nor vanish. 1 for a map of zeros."""
    return np.float32(np.abs(coordinates).max(initial=0) or 1)


def reference_rows(n: int, random_state: int | None = 0) -> NDArray[np.intp] | None:
    """The rows that positions' trust is measured against; None when there are too few to tell."""
    if n < 2 * NEAR + 2:
        return None
    drawn = np.random.default_rng(random_state).choice(n, min(n, REFERENCE), replace=False)
    return np.sort(drawn).astype(np.intp)


def _intrusion(truth: NDArray[Any], near: NDArray[np.intp]) -> NDArray[np.float64]:
    """How far from the truth some neighbours are, a row: 0 when they are the nearest, 1 the farthest.

    A neighbour costs as many ranks as it lies beyond the k nearest (Venna & Kaski 2001).
    """
    n, k = truth.shape[1], near.shape[1]
    cost = np.zeros(len(truth))
    for column in near.T:
        own = np.take_along_axis(truth, column[:, None], axis=1)
        cost += np.maximum(np.count_nonzero(truth < own, axis=1) - (k - 1), 0)
    return np.asarray(cost * 2.0 / (k * (2 * n - 3 * k - 1)))


def nearest(all_distances: NDArray[Any], k: int) -> NDArray[np.intp]:
    """Columns of the k smallest distances in each row, in no order: (n, k)."""
    return np.argpartition(all_distances, k - 1, axis=1)[:, :k]


def distances(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Squared distances of all pairs (n, n); a row's own is infinite, so that it is no neighbour."""
    squared = squared_distances(rows.astype(np.float64), rows.astype(np.float64))
    np.fill_diagonal(squared, np.inf)
    return squared


def squared_distances(rows: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    """Squared Euclidean distances (n, m)."""
    squared = rows @ (others.T * -2)
    squared += (rows**2).sum(axis=1)[:, None]
    squared += (others**2).sum(axis=1)
    return np.asarray(np.maximum(squared, 0, out=squared))


def rank_correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Spearman's correlation of two columns (n,); 0 when one of them is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    ranks = [np.argsort(np.argsort(column, kind="stable")).astype(np.float64) for column in (one, other)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _rounded(scored: Figures) -> dict[str, float]:
    return {name: round(value, 4) for name, value in asdict(scored).items()}
