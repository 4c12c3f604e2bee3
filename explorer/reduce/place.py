"""New rows on a map that stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ReductionError

if TYPE_CHECKING:
    from explorer.reduce.projection import Projection


def place(projection: Projection, features: NDArray[Any]) -> NDArray[np.float32]:
    """Coordinates (m, n_components) of rows (m, n_features), by the rule that the map keeps.

    Raises:
        ReductionError: it keeps none, or was made of rows with another number of features, or the rows
            hold NaN or infinity.
    """
    fitted = projection.arrays
    if "components" in fitted:
        from explorer.reduce.pca import PCA

        return np.asarray(PCA(**fitted).transform(features), np.float32)
    if "rows" not in fitted:
        raise ReductionError(
            f"{projection.method}: this map keeps no rule for new rows; PCA, and t-SNE and UMAP by the "
            "engine 'explorer', do"
        )
    width = fitted["rows"].shape[1]
    if features.ndim != 2 or features.shape[1] != width or not np.isfinite(features).all():
        raise ReductionError(f"rows of shape {features.shape}, expected finite numbers (n, {width})")
    unit = np.asarray((features - fitted["offset"]) / fitted["scale"], np.float32)
    return _among_neighbours(projection, unit)


def _among_neighbours(projection: Projection, unit: NDArray[np.float32]) -> NDArray[np.float32]:
    from explorer.reduce import tsne, tsne_place, umap_place
    from explorer.reduce.neighbours import find_neighbours

    asked, known = projection.parameters, projection.arrays["rows"]
    is_tsne = projection.method == "tsne"
    k = tsne.n_neighbours(asked["perplexity"], len(known)) if is_tsne else asked["n_neighbors"]
    near = find_neighbours(known, k, metric=asked["metric"], queries=unit)
    if is_tsne:
        return tsne_place.place(
            near.indices, near.distances, projection.coordinates, perplexity=asked["perplexity"]
        )
    return umap_place.place(
        near.indices,
        near.distances,
        projection.coordinates,
        min_dist=asked["min_dist"],
        random_state=asked["random_state"],
    )
