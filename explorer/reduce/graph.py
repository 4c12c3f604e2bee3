"""One neighbour graph of a layer for everybody: t-SNE, UMAP, quality and the viewer."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ReductionError
from explorer.progress import say, working
from explorer.reduce.neighbours import Metric, Neighbours, find_neighbours

LEAST_KEPT = 90
"""Neighbours found at once, what t-SNE's usual perplexity needs: whoever asks for fewer takes those."""


class NeighbourStore:
    """Rows and their neighbours, found when first asked for and kept beside the run.

    Attributes:
        features: (n, n_features) float32 of order 1.
    """

    def __init__(
        self,
        features: NDArray[np.float32],
        *,
        metric: Metric = "euclidean",
        path: Path | None = None,
    ) -> None:
        self.features = features
        self._metric: Metric = metric
        self._path = path
        self._found: Neighbours | None = None

    def __call__(self, k: int) -> Neighbours:
        """The k nearest rows of every row, itself left out; n - 1 where there are no more."""
        k = min(k, len(self.features) - 1)
        if self._found is None:
            self._found = self._read()
        if self._found is None or self._found.k < k:
            wanted = min(max(k, LEAST_KEPT), len(self.features) - 1)
            with working(f"neighbours of {len(self.features):,} positions"):
                self._found = find_neighbours(self.features, wanted, metric=self._metric)
            if self._path is not None:
                with suppress(OSError):  # a run that may only be read does without
                    self._path.parent.mkdir(parents=True, exist_ok=True)
                    self._found.save(self._path)
        return self._found.take(k)

    @property
    def recall(self) -> float | None:
        """Share of the true neighbours found, measured on a sample; None before any were asked for."""
        if self._found is None:
            return None
        return 1.0 if self._found.recall is None else self._found.recall

    def _read(self) -> Neighbours | None:
        if self._path is None or not self._path.is_file():
            return None
        try:
            kept = Neighbours.load(self._path)
        except ReductionError as error:
            say(f"{error}: finding them again")
            return None
        return kept if len(kept.indices) == len(self.features) else None
