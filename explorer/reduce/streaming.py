"""PCA of more rows than are held: scores and trust a chunk at a time, figures on a sample."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.reduce.pca import PCA
from explorer.reduce.quality import MOST, measure, reference_rows, size_of, trust_against


class Sampled:
    """Keeps a random sample of the rows that stream past.

    Attributes:
        rows: (m,) which rows are kept, increasing.
    """

    def __init__(self, n_rows: int, random_state: int | None = 0) -> None:
        rng = np.random.default_rng(random_state)
        self.rows = np.sort(rng.choice(n_rows, min(n_rows, MOST), replace=False))
        self._parts: list[NDArray[Any]] = []

    @property
    def features(self) -> NDArray[Any]:
        """The rows that were kept, (m, n_features)."""
        return np.concatenate(self._parts)

    def watching(self, chunks: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
        """Hand the chunks on, and keep the sampled rows of each."""
        self._parts, start = [], 0
        for chunk in chunks:
            first, last = np.searchsorted(self.rows, (start, start + len(chunk)))
            self._parts.append(np.array(chunk[self.rows[first:last] - start]))
            start += len(chunk)
            yield chunk


def assess_chunks(
    pca: PCA, chunks: Iterable[NDArray[Any]], sampled: Sampled
) -> tuple[NDArray[np.float32], dict[str, Any], NDArray[np.float32] | None]:
    """Project every row, and measure the map.

    Returns:
        Coordinates (n, n_components), the figures of `quality.measure`, and each row's trust (n,).
    """
    features = sampled.features
    shown = np.asarray(pca.transform(features), np.float32)
    offset, spread = pca.mean, _spread(pca, features)
    chosen = None if spread is None else reference_rows(len(features))
    if spread is None or chosen is None:
        return np.concatenate([np.asarray(pca.transform(rows), np.float32) for rows in chunks]), {}, None
    unit, size = np.asarray((features - offset) / spread, np.float32), size_of(shown)
    shown = shown / size
    scores, trust, start = [], [], 0
    for rows in chunks:
        scores.append(np.asarray(pca.transform(rows), np.float32))
        own = np.arange(start, start + len(rows))[:, None] == sampled.rows[chosen]
        near = np.asarray((rows - offset) / spread, np.float32)
        trust.append(trust_against((near, scores[-1] / size), (unit[chosen], shown[chosen]), own))
        start += len(rows)
    return np.concatenate(scores), measure(unit, shown), np.concatenate(trust)


def _spread(pca: PCA, features: NDArray[Any]) -> NDArray[np.float64] | None:
    """What centred rows are divided by to be of order 1; None when all are the same."""
    scale = float(np.sqrt(np.mean(((features - pca.mean) / pca.scale) ** 2)))
    return None if scale <= 1e-12 * max(1.0, float(np.abs(pca.mean).max())) else pca.scale * scale
