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

from explorer.errors import RunError
from explorer.reduce.projection_check import FORMAT, array_problem, problem
from explorer.samples import Samples
from explorer.whole import whole_file

AGAIN = "delete that folder and project again"
DESCRIPTION = "projection.json"
ARRAYS = "arrays.npz"


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
        quality: figures that say how far the map can be trusted, and under "random" and "pca" what
            those would score.
        provenance: data digest, versions, sampling counts.
        arrays: what the method needs to map new rows (for PCA mean, scale, components).
        trust: (n_samples,) each position's own trustworthiness, 0 to 1; None where it was not measured.
    """

    method: str
    coordinates: NDArray[np.float32]
    layer: str
    grid_shape: tuple[int, ...]
    rows: NDArray[np.int64] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    quality: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    trust: NDArray[np.float32] | None = None

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

    def transform(self, rows: Samples | NDArray[Any]) -> NDArray[np.float32]:
        """Place new rows (n, n_features) on this map, which stays as it is: (n, n_components).

        PCA is exact. t-SNE and UMAP put each row among its neighbours and optimise it against the fixed
        map; the rows that the map was made of come back where they were.

        Raises:
            ReductionError: the map keeps no rule for new rows, or they have another number of features.
        """
        from explorer.reduce.place import place

        return place(self, rows.features if isinstance(rows, Samples) else np.asarray(rows))

    def save(self, path: str | Path) -> Path:
        """Write a folder with `projection.json` and `arrays.npz`; `load_projection` reads it."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {f"fitted.{name}": array for name, array in self.arrays.items()}
        if self.rows is not None:
            arrays["rows"] = self.rows
        if self.trust is not None:
            arrays["trust"] = self.trust
        with whole_file(folder / ARRAYS) as beside:
            np.savez(beside, allow_pickle=False, coordinates=self.coordinates, **arrays)
        described = {
            "format": FORMAT,
            "method": self.method,
            "layer": self.layer,
            "grid_shape": list(self.grid_shape),
            "parameters": dict(self.parameters),
            "quality": dict(self.quality),
            "provenance": dict(self.provenance),
        }
        # The description comes last: where it is, the arrays are whole.
        with whole_file(folder / DESCRIPTION) as beside:
            beside.write_text(json.dumps(described, indent=1), encoding="utf-8")
        return folder


def load_projection(path: str | Path) -> Projection:
    """Read a projection that was saved.

    Raises:
        RunError: the folder holds none, or a damaged one.
    """
    from zipfile import BadZipFile

    folder = Path(path)
    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        if not isinstance(described, dict) or (wrong := problem(described)) is not None:
            wrong = wrong if isinstance(described, dict) else "expected a JSON object"
            raise RunError(f"{folder / DESCRIPTION}: damaged: {wrong}; {AGAIN}")
        with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
            fitted = {
                name.removeprefix("fitted."): arrays[name] for name in arrays if name.startswith("fitted.")
            }
            if (wrong := array_problem(arrays, tuple(described["grid_shape"]))) is not None:
                raise RunError(f"{folder / ARRAYS}: damaged: {wrong}; {AGAIN}")
            return Projection(
                method=described["method"],
                coordinates=arrays["coordinates"],
                layer=described["layer"],
                grid_shape=tuple(described["grid_shape"]),
                rows=arrays.get("rows"),
                parameters=described["parameters"],
                quality=described["quality"],
                provenance=described["provenance"],
                arrays=fitted,
                trust=arrays.get("trust"),
            )
    except FileNotFoundError:
        raise RunError(f"{folder}: no projection here; `activation-explorer project` writes one") from None
    except (ValueError, KeyError, TypeError, OSError, EOFError, BadZipFile, RecursionError) as error:
        kind = type(error).__name__
        raise RunError(f"{folder}: damaged projection ({kind}); {AGAIN}") from None
