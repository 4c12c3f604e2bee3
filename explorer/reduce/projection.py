"""Projection: low-dimensional coordinates of positions, with all that is needed to read them again."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ReductionError, RunError
from explorer.samples import Samples

FORMAT = 1


@dataclass(frozen=True)
class Projection:
    """Coordinates of positions in 2D or 3D.

    Attributes:
        method: "pca", "tsne", "umap" or "precomputed".
        coordinates: (n_samples, 2 or 3) float32.
        layer: the layer whose positions these are.
        grid_shape: (batch, *spatial) of the layer's whole grid.
        rows: (n_samples,) places in the grid of the rows that were projected; None for all.
        parameters: what the method was asked for.
        quality: figures that say how far the map can be trusted.
        provenance: data digest, versions, sampling counts.
        arrays: what the method needs to map new rows (for PCA mean, scale, components).
    """

    method: str
    coordinates: NDArray[np.float32]
    layer: str
    grid_shape: tuple[int, ...]
    rows: NDArray[np.int64] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    quality: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def n_samples(self) -> int:
        """Number of positions that were projected."""
        return int(self.coordinates.shape[0])

    @property
    def n_components(self) -> int:
        """2 or 3."""
        return int(self.coordinates.shape[1])

    @property
    def n_positions(self) -> int:
        """Number of positions in the layer's whole grid, sampled or not."""
        return math.prod(self.grid_shape)

    @property
    def samples(self) -> Samples:
        """The coordinates as rows of the grid, for `positions()` and `fold()`."""
        return Samples(self.layer, self.coordinates, self.grid_shape, self.rows)

    def positions(self) -> NDArray[np.int64]:
        """Grid index of each row: (n_samples, 1 + n_spatial) of (input, *spatial)."""
        return self.samples.positions()
