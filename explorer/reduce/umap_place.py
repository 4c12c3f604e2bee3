"""New rows put into a fixed UMAP map."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.reduce.fast_umap import Floats, padded, pool_of, rates_of, seed_of
from explorer.reduce.fuzzy import curve_parameters, memberships


def place(
    indices: NDArray[Any],
    distances: NDArray[Any],
    coordinates: NDArray[Any],
    *,
    min_dist: float = 0.1,
    spread: float = 1.0,
    random_state: int | None = 0,
    epochs: int | None = None,
) -> Floats:
    """Place new rows (m, n_components) on a map that stays as it is.

    A row equal to one of the map comes to lie on it. Any other starts at the mean of its neighbours,
    weighted by membership, and is pulled to them and pushed from the rest with a quarter of the step.

    Args:
        indices: (m, k) neighbours among the rows of the map, nearest first.
        distances: (m, k) of them.
        coordinates: (n, n_components) the map.
        min_dist: as of the map.
        spread: as of the map.
        random_state: seed; None draws one.
        epochs: 100 up to 10,000 new rows and 30 beyond, unless told otherwise.
    """
    from explorer.reduce.umap_kernels import lay_out

    m, dim = len(indices), coordinates.shape[1]
    fixed = np.asarray(coordinates, np.float32)
    epochs = epochs or (100 if m <= 10_000 else 30)
    new, strengths = _among(indices, distances, fixed)
    old, fresh = (padded(np.concatenate([new, fixed])) for _ in range(2))
    numbers = np.array([*curve_parameters(min_dist, spread), 0.25, 1.0], np.float32)
    rates = rates_of(np.where(strengths < 1 / epochs, np.float32(0), strengths).ravel())
    edges = np.arange(0, strengths.size + 1, strengths.shape[1])
    tails = (indices.astype(np.int64).ravel() + m).astype(np.uint32)
    seed = seed_of(random_state)
    with pool_of(m, None) as pool:
        run, threads = pool or (map, 1)
        bounds = np.linspace(0, m, threads + 1).astype(np.int64)

        def part(index: int) -> None:  # new rows do not see each other, so no epoch waits
            counters = np.array([index, index + 1, 0, epochs, epochs, seed, m, len(fixed)])
            lay_out(old, fresh, edges, tails, rates, bounds, numbers, counters)

        for _ in run(part, range(threads)):
            pass
    return np.ascontiguousarray((fresh if epochs % 2 else old).reshape(-1, 4)[:m, :dim])


def _among(indices: NDArray[Any], distances: NDArray[Any], fixed: Floats) -> tuple[Floats, Floats]:
    """Where new rows start, and how strongly (m, k) each is drawn: not at all where it has an equal."""
    strengths = memberships(distances)
    equal = distances[:, 0] <= 1e-6 * distances.mean(axis=1)
    strengths[equal] = 0
    strengths[equal, 0] = 1
    shares = strengths / strengths.sum(axis=1, keepdims=True)
    new = np.einsum("mk,mkd->md", shares, fixed[indices])
    strengths[equal] = 0
    return new, strengths
