"""A tracker that remembers what was logged, and inputs to log."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from explorer.tracking import Embedding, Histogram

IMAGES = np.random.default_rng(0).normal(size=(6, 8, 8, 3)).astype(np.float32)


class Notes:
    """A tracker that remembers."""

    def __init__(self) -> None:
        self.scalars: dict[tuple[str, int], float] = {}
        self.images: dict[tuple[str, int], NDArray[np.uint8]] = {}
        self.histograms: dict[tuple[str, int], Histogram] = {}
        self.embeddings: dict[tuple[str, int], Embedding] = {}
        self.flushed = 0
        self.closed = False

    def log_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars[name, step] = value

    def log_image(self, name: str, picture: NDArray[np.uint8], step: int) -> None:
        assert picture.dtype == np.uint8
        assert picture.shape[2:] == (3,)
        self.images[name, step] = picture

    def log_histogram(self, name: str, histogram: Histogram, step: int) -> None:
        self.histograms[name, step] = histogram

    def log_embedding(self, name: str, embedding: Embedding, step: int) -> None:
        self.embeddings[name, step] = embedding

    def flush(self) -> None:
        self.flushed += 1

    def close(self) -> None:
        self.closed = True
