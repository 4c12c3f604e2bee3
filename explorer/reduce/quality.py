"""How far a map can be trusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST = 1000
NEIGHBOURS = 15


def trustworthiness(
    features: NDArray[np.float32],
    coordinates: NDArray[np.float32],
    *,
    n_neighbors: int = NEIGHBOURS,
) -> float:
    """Share of map neighbours that are neighbours in truth, 0 to 1 (Venna & Kaski 2001).

    A false neighbour costs as many ranks as it lies beyond the nearest `n_neighbors` rows. A random
    map scores about 0.5.

    Args:
        features: (n, n_features), n at most some thousands: n² numbers are held.
        coordinates: (n, n_components).
        n_neighbors: size of the neighbourhoods, less than n / 2.
    """
    n = len(features)
    ranks = np.empty((n, n), np.int64)
    order = np.argsort(_squared_distances(features), axis=1, kind="stable")
    np.put_along_axis(ranks, order, np.arange(n)[None, :], axis=1)
    near = np.argsort(_squared_distances(coordinates), axis=1, kind="stable")[:, :n_neighbors]
    excess = np.maximum(np.take_along_axis(ranks, near, axis=1) - (n_neighbors - 1), 0)
    return 1.0 - 2.0 * float(excess.sum()) / (n * n_neighbors * (2 * n - 3 * n_neighbors - 1))


def _squared_distances(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """All pairs (n, n), a row's own distance infinite so that it is never its own neighbour."""
    wide = rows.astype(np.float64)
    norms = (wide**2).sum(axis=1)
    distances = norms[:, None] + norms[None, :] - 2 * wide @ wide.T
    np.fill_diagonal(distances, np.inf)
    return np.asarray(distances, np.float64)


def measure(
    features: NDArray[np.float32], coordinates: NDArray[np.float32], random_state: int | None = 0
) -> dict[str, float]:
    """Trustworthiness on at most 1,000 rows drawn at random, with the number of rows."""
    n = len(features)
    if n < 2 * NEIGHBOURS + 2:
        return {}
    drawn = np.random.default_rng(random_state).choice(n, min(n, MOST), replace=False)
    return {
        "trustworthiness": round(trustworthiness(features[drawn], coordinates[drawn]), 4),
        "trustworthiness_rows": len(drawn),
    }
