"""What a projection is asked for: checked once, recorded with the result."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from explorer.errors import ReductionError, suggest

METHODS = ("pca", "tsne", "umap", "precomputed")
ENGINES = {
    "pca": ("explorer",),
    "tsne": ("explorer", "jax", "openTSNE", "scikit-learn"),
    "umap": ("explorer", "umap-learn"),
    "precomputed": ("explorer",),
}
USED = {
    "pca": {"whiten"},
    "tsne": {"perplexity", "engine", "metric"},
    "umap": {"n_neighbors", "min_dist", "engine", "metric"},
}
METRICS = ("euclidean", "cosine")
DEFAULT_SAMPLE = {"tsne": 25_000, "umap": 50_000}
"""Positions that a method projects of a run unless told otherwise. What is left out is said."""


@dataclass(frozen=True)
class Settings:
    """What a projection is asked for.

    Attributes:
        method: "pca", "tsne", "umap" or "precomputed".
        n_components: 2 or 3.
        random_state: seed of the method; None for another result each time.
        standardise: divide each channel by its standard deviation first.
        sample: most positions to project, None for all.
        perplexity: t-SNE's effective number of neighbours.
        n_neighbors: UMAP's number of neighbours.
        min_dist: UMAP's smallest distance between points of the map.
        engine: whose implementation: "explorer"; "jax" for t-SNE on an accelerator; or for comparison
            "openTSNE" or "scikit-learn" for t-SNE and "umap-learn" for UMAP.
        metric: what tells neighbours apart in t-SNE and UMAP, "euclidean" or "cosine".
        whiten: divide each of PCA's components by its standard deviation.

    Raises:
        ReductionError: an unknown method or a value out of its range.
    """

    method: str
    n_components: int = 3
    random_state: int | None = 0
    standardise: bool = False
    sample: int | None = None
    perplexity: float = 30.0
    n_neighbors: int = 15
    min_dist: float = 0.1
    engine: str = "explorer"
    metric: str = "euclidean"
    whiten: bool = False

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ReductionError(f"no method {self.method!r}; {suggest(self.method, METHODS)}")
        engines = ENGINES[self.method]
        if self.engine not in engines:
            raise ReductionError(
                f"no engine {self.engine!r} of {self.method}; {suggest(self.engine, engines)}"
            )
        if self.metric not in METRICS:
            raise ReductionError(f"no metric {self.metric!r}; {suggest(self.metric, METRICS)}")
        if self.metric != "euclidean" and self.engine not in ("explorer", "jax"):
            raise ReductionError(f"metric {self.metric!r} needs engine 'explorer', not {self.engine!r}")
        if self.whiten and self.method != "pca":
            raise ReductionError(f"whiten is an option of pca, not of {self.method}")
        if self.n_components not in (2, 3):
            raise ReductionError(f"n_components = {self.n_components}, expected 2 or 3")
        if self.random_state is not None and not 0 <= self.random_state < 2**32:
            raise ReductionError(f"random_state = {self.random_state}, expected 0 to 4294967295")
        for name, value, low, high in (
            ("perplexity", self.perplexity, 1, math.inf),
            ("n_neighbors", self.n_neighbors, 2, math.inf),
            ("min_dist", self.min_dist, 0, 1),
            ("sample", 1 if self.sample is None else self.sample, 1, math.inf),
        ):
            if not low <= value <= high:
                words = f"{low} or more" if math.isinf(high) else f"{low} to {high}"
                raise ReductionError(f"{name} = {value}, expected {words}")

    def recorded(self) -> dict[str, Any]:
        """The fields that this method uses."""
        unused = {"perplexity", "n_neighbors", "min_dist", "engine", "metric", "whiten"}
        unused -= USED.get(self.method, set())
        return {key: value for key, value in asdict(self).items() if key not in unused}


def sample_size(sample: int | str | None, method: str, *, from_run: bool) -> int | None:
    """How many positions to project at most: the number asked for, or the method's default for a run.

    Raises:
        ReductionError: neither a number nor "all".
    """
    if sample is None:
        return DEFAULT_SAMPLE.get(method) if from_run else None
    if sample == "all":
        return None
    try:
        return int(sample)
    except ValueError:
        raise ReductionError(f"sample = {sample!r}, expected a number of positions or 'all'") from None
