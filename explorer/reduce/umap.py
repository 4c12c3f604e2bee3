"""UMAP (McInnes, Healy & Melville 2018) by umap-learn."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ReductionError
from explorer.progress import working

LEAST = 5
SPECTRAL_LEAST = 50
"""Fewer rows than this are initialised by PCA: the spectral solver fails on tiny graphs."""


def fit_umap(
    features: NDArray[np.float32],
    n_components: int,
    *,
    n_neighbors: int,
    min_dist: float,
    random_state: int | None,
) -> NDArray[np.float32]:
    """Place rows (n, n_features) of order 1 by their fuzzy neighbourhood graph: (n, n_components)."""
    n_samples = len(features)
    small = n_samples < SPECTRAL_LEAST or features.shape[1] <= n_components
    with (
        working(f"UMAP of {n_samples:,} positions (the first run in a process compiles for half a minute)"),
        warnings.catch_warnings(),
    ):
        # It warns of TensorFlow, of its single thread under a seed, and of graph components.
        warnings.simplefilter("ignore")
        from umap import UMAP

        model = UMAP(
            n_components=n_components,
            n_neighbors=n_neighbors,
            min_dist=min_dist,
            random_state=random_state,
            n_jobs=-1 if random_state is None else 1,
            init="random" if small else "spectral",
        )
        coordinates = np.asarray(model.fit_transform(features), np.float32)
    if not np.isfinite(coordinates).all():
        raise ReductionError(
            f"UMAP of {n_samples} positions did not converge; try more neighbours, or standardise"
        )
    return coordinates
