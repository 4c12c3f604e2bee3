"""t-SNE (van der Maaten & Hinton 2008) of rows: neighbours, first places, descent, new rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.progress import progress
from explorer.reduce.pca import fit_pca

if TYPE_CHECKING:
    from explorer.reduce.fast_tsne import FastTSNE
    from explorer.reduce.graph import NeighbourStore

EXAGGERATED, PLAIN = 250, 500
"""Iterations with early exaggeration 12, and without."""
LEAST = 5
EVERY = 50
Watch = Callable[[int, NDArray[np.float32]], bool | None]
"""Called with the iteration and the coordinates so far; True ends the work with them."""


def first_places(
    features: NDArray[np.float32], n_components: int, random_state: int | None
) -> NDArray[np.float64]:
    """Where rows (n, n_features) start: their principal components, tiny (Kobak & Berens 2019)."""
    start = fit_pca([features], n_components).transform(features)
    rng = np.random.default_rng(random_state)
    return np.asarray(start / (start[:, 0].std() or 1.0) * 1e-4 + rng.normal(scale=1e-6, size=start.shape))


def fit_tsne(
    neighbours: NeighbourStore,
    n_components: int,
    *,
    perplexity: float,
    random_state: int | None,
    engine: str = "explorer",
    watch: Watch | None = None,
) -> FastTSNE:
    """Place rows so that neighbours stay neighbours: exact repulsion for few rows, Barnes–Hut for many.

    Args:
        neighbours: the rows, of order 1, and their neighbours.
        n_components: 2 or 3.
        perplexity: effective number of neighbours; three times as many are looked at.
        random_state: seed of the first places.
        engine: "explorer", or "jax" for every pair on JAX's device.
        watch: called every 50 iterations.
    """
    if engine == "jax":
        from explorer.reduce.accelerated import fit_jax_tsne as descend
    else:
        from explorer.reduce.fast_tsne import fit_fast_tsne as descend

    near = neighbours(n_neighbours(perplexity, len(neighbours.features)))
    start = first_places(neighbours.features, n_components, random_state)
    with progress("t-SNE", EXAGGERATED + PLAIN, "iterations") as advance:

        def every(iteration: int, coordinates: NDArray[np.float32], _: float | None) -> bool | None:
            advance(EVERY)
            return watch(iteration, coordinates) if watch else None

        return descend(
            near.indices,
            near.distances,
            start,
            perplexity=perplexity,
            random_state=random_state,
            exaggerated=EXAGGERATED,
            plain=PLAIN,
            callback=every,
        )


def n_neighbours(perplexity: float, n_samples: int) -> int:
    """How many neighbours a perplexity looks at."""
    return max(1, min(n_samples - 1, int(3 * perplexity)))
