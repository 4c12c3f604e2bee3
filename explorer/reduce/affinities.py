"""t-SNE's affinities of the rows, from their nearest neighbours (van der Maaten & Hinton 2008)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Affinities(NamedTuple):
    """A sparse matrix (n, n) in rows: neighbours[starts[i]:starts[i + 1]] are those of row i.

    Attributes:
        starts: (n + 1,) int64.
        neighbours: (entries,) uint32, ascending in every row.
        values: (entries,) float32.
    """

    starts: NDArray[np.int64]
    neighbours: NDArray[np.uint32]
    values: NDArray[np.float32]

    def self_information(self) -> float:
        """Sum of p log p: the part of the divergence that no map changes."""
        wide = self.values[self.values > 0].astype(np.float64)
        return float((wide * np.log(wide)).sum())


def affinities(indices: NDArray[Any], distances: NDArray[Any], perplexity: float) -> Affinities:
    """Joint probabilities of rows: (p(j|i) + p(i|j)) / 2n, which sum to 1.

    Args:
        indices: (n, k) each row's nearest others; k about three times the perplexity.
        distances: (n, k) to them, in any unit: each row has a bandwidth of its own.
        perplexity: effective number of neighbours; at k or more all k weigh the same.
    """
    from scipy.sparse import csr_matrix  # type: ignore[import-untyped,unused-ignore]

    n, k = indices.shape
    weights = conditional(distances, perplexity)
    starts = np.arange(0, n * k + 1, k, dtype=np.int64)
    columns = np.array(indices).ravel()  # a copy: what follows sorts it in place
    one_way = csr_matrix((weights.ravel(), columns, starts), shape=(n, n))
    one_way.sum_duplicates()
    both = (one_way + one_way.T.tocsr()).tocsr()
    both.sort_indices()
    values = both.data / both.data.sum(dtype=np.float64)
    return Affinities(both.indptr.astype(np.int64), both.indices.astype(np.uint32), values.astype(np.float32))


def conditional(distances: NDArray[Any], perplexity: float) -> NDArray[np.float32]:
    """Gaussian weights p(j|i) of each row's neighbours, (n, k), rows summing to 1."""
    from explorer.reduce.affinity_kernels import weigh

    return np.asarray(weigh(np.ascontiguousarray(distances, np.float32), float(perplexity)))
