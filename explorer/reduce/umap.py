"""UMAP (McInnes, Healy & Melville 2018) of rows: neighbours, fuzzy graph, layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.progress import progress

if TYPE_CHECKING:
    from explorer.reduce.fast_umap import FastUMAP
    from explorer.reduce.graph import NeighbourStore

LEAST = 5
EVERY = 10
Watch = Callable[[int, NDArray[np.float32]], bool | None]


def fit_umap(
    neighbours: NeighbourStore,
    n_components: int,
    *,
    n_neighbors: int,
    min_dist: float,
    random_state: int | None,
    watch: Watch | None = None,
) -> FastUMAP:
    """Place rows by their fuzzy neighbourhood graph, to the same bits whatever the number of threads.

    Args:
        neighbours: the rows, of order 1, and their neighbours.
        n_components: 2 or 3.
        n_neighbors: size of a neighbourhood, the row itself counted as umap-learn does.
        min_dist: smallest distance between points of the map.
        random_state: seed; None draws one.
        watch: called every 10 epochs with the epoch and the coordinates; True ends the layout.
    """
    from explorer.reduce.fast_umap import fit_fast_umap

    n_samples = len(neighbours.features)
    near = neighbours(max(1, min(n_neighbors, n_samples) - 1))
    epochs = n_epochs(n_samples)
    with progress("UMAP", epochs, "epochs") as advance:

        def every(epoch: int, coordinates: NDArray[np.float32]) -> bool | None:
            advance(EVERY)
            return watch(epoch, coordinates) if watch else None

        return fit_fast_umap(
            near.indices,
            near.distances,
            n_components=n_components,
            min_dist=min_dist,
            random_state=random_state,
            features=neighbours.features,
            epochs=epochs,
            callback=every,
        )


def n_epochs(n_samples: int) -> int:
    """How many epochs a layout takes, as in umap-learn."""
    return 500 if n_samples <= 10_000 else 200
