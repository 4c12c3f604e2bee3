"""Groups of positions found by scikit-learn, as one more thing to colour by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.render.drawing.text import count, plural
from explorer.render.linked.quantities import Clustering, Quantity

if TYPE_CHECKING:
    from explorer.render.linked.state import State

MOST_ROWS = {"kmeans": 50_000, "hdbscan": 10_000}
"""Positions that the groups are found on; the others join the group of the nearest."""
DIMENSIONS = 50
OUTSIDE = "in none"


def cluster(state: State, how: Clustering) -> Quantity:
    """Sort every projected position into a group, the largest first.

    K-means and HDBSCAN are scikit-learn's, seeded with 0. They see at most `MOST_ROWS` positions, drawn
    evenly; the others join the group of the nearest of those. Positions whose values are not finite are
    in no group.

    Returns:
        The group of each position, and under `note` what was sampled.
    """
    rows = state.projection.coordinates if how.on == "map" else _features(state)
    finite = np.flatnonzero(np.isfinite(rows).all(axis=1))
    codes = np.full(len(rows), -1, np.int64)
    drawn = finite
    if len(finite) > MOST_ROWS[how.method]:
        drawn = np.sort(np.random.default_rng(0).choice(finite, MOST_ROWS[how.method], replace=False))
    if len(drawn):
        found = _found(rows[drawn].astype(np.float64), how)
        codes[drawn] = found
        rest = np.setdiff1d(finite, drawn, assume_unique=True)
        if len(rest):
            codes[rest] = found[_nearest(rows[drawn], rows[rest])]
    return _named(codes, how, _note(len(drawn), len(rows), how))


def _found(rows: NDArray[np.float64], how: Clustering) -> NDArray[np.int64]:
    """The group of each row; -1 for none."""
    largest = float(np.abs(rows).max()) or 1.0
    rows = rows / largest  # squares of values near the largest float would overflow
    if how.method == "kmeans":
        from sklearn.cluster import KMeans

        n = min(how.n, len(np.unique(rows, axis=0)))
        return np.asarray(KMeans(n, n_init=3, random_state=0).fit_predict(rows), np.int64)
    from sklearn.cluster import HDBSCAN

    least = how.least or max(5, len(rows) // 100)
    if len(rows) < max(2, least):
        return np.full(len(rows), -1, np.int64)
    return np.asarray(HDBSCAN(min_cluster_size=least, copy=True).fit_predict(rows), np.int64)


def _nearest(known: NDArray[Any], rows: NDArray[Any]) -> NDArray[np.intp]:
    """The nearest known row of each row."""
    from explorer.reduce.neighbours import find_neighbours

    return find_neighbours(known, 1, queries=rows).indices[:, 0].astype(np.intp)


def _features(state: State) -> NDArray[np.float32]:
    """The original features of the projected positions, by PCA to at most 50 dimensions."""
    from explorer.reduce.pca import fit_pca

    width = state.values.channels
    rows = state.values.vectors(state.rows)
    finite = np.isfinite(rows).all(axis=1)
    if width <= DIMENSIONS or not finite.any():
        return rows
    basis = fit_pca([rows[finite]], DIMENSIONS)
    out = np.full((len(rows), DIMENSIONS), np.nan, np.float32)
    out[finite] = basis.transform(rows[finite])
    return out


def _named(codes: NDArray[np.int64], how: Clustering, note: str) -> Quantity:
    """Groups in order of size, with those in none at the end."""
    groups, sizes = np.unique(codes[codes >= 0], return_counts=True)
    order = groups[np.argsort(-sizes, kind="stable")]
    place = np.full(int(codes.max(initial=-1)) + 2, len(order), np.int64)
    place[order] = np.arange(len(order))
    names = [f"cluster {index + 1}" for index in range(len(order))]
    if (codes < 0).any():
        names.append(OUTSIDE)
    values = np.where(codes < 0, len(order), place[codes])
    method = "k-means" if how.method == "kmeans" else "HDBSCAN"
    where = "original features" if how.on == "features" else "map"
    return Quantity(f"{method} clusters of the {where}", values, tuple(names), note=note)


def _note(drawn: int, all_rows: int, how: Clustering) -> str:
    if drawn >= all_rows:
        return ""
    return f"found on {count(drawn)} of {plural(all_rows, 'position')}; the others join the nearest"
