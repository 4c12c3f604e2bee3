"""Grid to rows and back: every row is one position of one input."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.errors import InputError


@dataclass(frozen=True)
class Samples:
    """Positions as rows, with the grid they came from.

    Attributes:
        layer: the layer's name.
        features: (n_samples, n_features), one row a position.
        grid_shape: (batch, *spatial) of the whole grid.
        rows: (n_samples,) int64, each row's place in the grid in C order, strictly increasing;
            None when every position is a row.
    """

    layer: str
    features: NDArray[Any]
    grid_shape: tuple[int, ...]
    rows: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if self.features.ndim != 2:
            raise InputError(
                f"layer {self.layer}: features have shape {self.features.shape}, expected 2 axes"
            )
        expected = self.n_positions if self.rows is None else len(self.rows)
        if len(self.features) != expected:
            raise InputError(
                f"layer {self.layer}: {len(self.features)} rows of features, "
                f"but the grid {self.grid_shape} and its sample name {expected}"
            )

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return int(self.features.shape[0])

    @property
    def n_features(self) -> int:
        """Number of columns: the layer's channels."""
        return int(self.features.shape[1])

    @property
    def n_positions(self) -> int:
        """Number of positions in the whole grid, sampled or not."""
        return math.prod(self.grid_shape)

    def grid_rows(self) -> NDArray[np.int64]:
        """Each row's place in the grid, (n_samples,), in C order."""
        return np.arange(self.n_positions, dtype=np.int64) if self.rows is None else self.rows

    def positions(self) -> NDArray[np.int64]:
        """Grid index of each row: (n_samples, 1 + n_spatial) of (input, *spatial)."""
        return np.stack(np.unravel_index(self.grid_rows(), self.grid_shape), axis=1).astype(np.int64)

    def take(self, rows: NDArray[np.int64]) -> Samples:
        """The samples at these places of the grid (increasing, each present here).

        Raises:
            InputError: some of them are not among these samples.
        """
        own = self.grid_rows()
        where = np.searchsorted(own, rows)
        if len(rows) and (where.max() >= len(own) or not np.array_equal(own[where], rows)):
            raise InputError(f"layer {self.layer}: some of the rows asked for are not among these samples")
        return Samples(self.layer, self.features[where], self.grid_shape, np.asarray(rows, np.int64))

    def fold(self, columns: NDArray[Any]) -> NDArray[Any]:
        """Put one value or vector a row back on the grid.

        Args:
            columns: (n_samples,) or (n_samples, k).

        Returns:
            (batch, *spatial) or (batch, *spatial, k). The same numbers in the same type when every
            position is a row; otherwise floats with NaN at the positions that were not sampled.

        Raises:
            InputError: not one value or vector a row.
        """
        columns = np.asarray(columns)
        if columns.ndim not in (1, 2) or len(columns) != self.n_samples:
            raise InputError(
                f"fold: shape {columns.shape}, expected ({self.n_samples},) or ({self.n_samples}, k)"
            )
        tail = columns.shape[1:]
        if self.rows is None:
            return columns.reshape(*self.grid_shape, *tail)
        dtype = columns.dtype if columns.dtype.kind == "f" else np.dtype(np.float64)
        grid = np.full((self.n_positions, *tail), np.nan, dtype)
        grid[self.rows] = columns
        return grid.reshape(*self.grid_shape, *tail)


def flatten(activations: Activations) -> Samples:
    """Turn (batch, *spatial, channels) into rows (batch · spatial, channels); `Samples.fold` undoes it."""
    values = activations.values
    return Samples(activations.layer, values.reshape(-1, values.shape[-1]), values.shape[:-1])


def even_rows(
    grid_shape: tuple[int, ...], most: int, random_state: int | None = 0
) -> NDArray[np.int64] | None:
    """Draw at most `most` positions of a grid, from every input the same number to within one.

    Args:
        grid_shape: (batch, *spatial).
        most: how many positions to draw, without replacement.
        random_state: seed of the draw.

    Returns:
        Places in the grid (n,), increasing, in C order; None when the grid has no more than `most`.

    Raises:
        InputError: fewer than one position.
    """
    if most < 1:
        raise InputError(f"a sample of {most} positions: expected at least 1")
    batch, each = grid_shape[0], math.prod(grid_shape[1:])
    if batch * each <= most:
        return None
    rng = np.random.default_rng(random_state)
    counts = np.full(batch, most // batch)
    counts[rng.choice(batch, most % batch, replace=False)] += 1
    drawn = [image * each + rng.choice(each, count, replace=False) for image, count in enumerate(counts)]
    return np.sort(np.concatenate(drawn)).astype(np.int64)
